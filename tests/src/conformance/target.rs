//! The service that is judged.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use super::answer::{Answer, Read};
use super::exchange::CASE_MAX;
use super::message::{fill, options};

/// A service, and what it says of itself.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where it is.
    pub address: SocketAddr,
    /// Host and port as its URI has them.
    pub authority: String,
    /// The path of its URI, from the first slash, with the query if there is one.
    pub path: String,
    /// `Methods`
    pub methods: Vec<String>,
    /// `Max-Connections`
    pub connections_max: Option<usize>,
}

impl Target {
    /// Asks a service what it offers.
    ///
    /// # Errors
    ///
    /// Says why nothing can be judged: no connection, or no answer to OPTIONS.
    pub fn ask(address: SocketAddr, service: &str) -> Result<Self, String> {
        let mut target = Self {
            address,
            authority: address.to_string(),
            path: format!("/{}", service.trim_start_matches('/')),
            methods: Vec::new(),
            connections_max: None,
        };
        let wrong = |what: &str| format!("OPTIONS of {address}{}: {what}", target.path);
        let answer = target.options().map_err(|error| wrong(&error))?;
        if answer.status != 200 {
            return Err(wrong(&answer.line));
        }
        let methods = answer.field("Methods").unwrap_or_default();
        target.methods = methods.split(',').map(|it| it.trim().to_owned()).collect();
        target.connections_max = answer
            .field("Max-Connections")
            .and_then(|value| value.parse().ok());
        Ok(target)
    }

    fn options(&self) -> Result<Answer, String> {
        let text = |error: std::io::Error| error.to_string();
        let mut stream = TcpStream::connect_timeout(&self.address, CASE_MAX).map_err(text)?;
        stream.set_read_timeout(Some(CASE_MAX)).map_err(text)?;
        let request = fill(&options().bytes(), &self.authority, &self.path);
        stream.write_all(&request).map_err(text)?;
        let mut input = Vec::new();
        loop {
            let mut buffer = [0; 4096];
            let len = stream.read(&mut buffer).map_err(text)?;
            input.extend_from_slice(&buffer[..len]);
            match Answer::read(&input) {
                Read::Answer(answer, _) => return Ok(*answer),
                Read::Bad(why) => return Err(why),
                Read::NeedMore if len == 0 => return Err("closed".to_owned()),
                Read::NeedMore => {}
            }
        }
    }
}
