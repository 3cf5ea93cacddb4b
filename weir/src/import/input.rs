//! Files as they come: compressed or not, an archive or one list.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use ruzstd::decoding::{FrameDecoder, StreamingDecoder};

/// Bytes of one list, decompressed.
pub const LIST_LEN_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// Files of one archive or folder.
pub const MEMBERS_MAX: usize = 100_000;

/// KiB that decompressing xz may take.
pub const XZ_MEMORY_MAX: u32 = 256 * 1024;

/// Bytes of the window of zstd.
pub const ZSTD_WINDOW_MAX: u64 = 128 * 1024 * 1024;

/// Bytes that tell what a file is: the mark of tar stands at 257.
const HEAD_LEN: usize = 512;

/// Bytes of a block of tar.
const TAR_BLOCK_LEN: usize = 512;

/// Where tar has its mark, and the mark.
const TAR_MARK: (usize, &[u8]) = (257, b"ustar");

/// A decompressed file.
pub(super) enum Input {
    /// An archive of files.
    Tar(Box<dyn Read>),
    /// One file.
    Plain(Box<dyn Read>),
}

/// Opens a file and tells by its first bytes what it is.
pub(super) fn open(path: &Path) -> io::Result<Input> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let (head, reader) = peeked(decompressed(BufReader::with_capacity(256 * 1024, file))?)?;
    let mark = head.get(TAR_MARK.0..).unwrap_or_default();
    Ok(match mark.starts_with(TAR_MARK.1) {
        true => Input::Tar(reader),
        false => Input::Plain(reader),
    })
}

/// Takes compression off, if there is one.
pub(super) fn decompressed(reader: impl BufRead + 'static) -> io::Result<Box<dyn Read>> {
    let (head, reader) = peeked(Box::new(reader))?;
    let reader = BufReader::with_capacity(64 * 1024, reader);
    Ok(match head.as_slice() {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(reader)),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Box::new(lzma_rust2::XzReader::new_mem_limit(
            reader,
            true,
            XZ_MEMORY_MAX,
        )),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(ZstdFrames(Frame::Between(Some(reader)))),
        _ => Box::new(reader),
    })
}

/// Returns the first bytes, and a reader that still has them.
fn peeked(mut reader: Box<dyn Read>) -> io::Result<(Vec<u8>, Box<dyn Read>)> {
    let mut head = Vec::with_capacity(HEAD_LEN);
    reader
        .by_ref()
        .take(HEAD_LEN as u64)
        .read_to_end(&mut head)?;
    let whole = io::Cursor::new(head.clone()).chain(reader);
    Ok((head, Box::new(whole)))
}

/// An archive on its way through the reader of tar, which takes a missing end for the end.
pub(super) struct Whole<R> {
    inner: R,
    /// Zeros read last.
    zeros: usize,
}

impl<R: Read> Whole<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, zeros: 0 }
    }

    /// Reads what follows the archive, so that its checksums are looked at, and fails if the
    /// archive does not end in a block of zeros.
    pub(super) fn end(mut self) -> io::Result<()> {
        let mut limited = self.by_ref().take(LIST_LEN_MAX);
        io::copy(&mut limited, &mut io::sink())?;
        if self.zeros >= TAR_BLOCK_LEN {
            Ok(())
        } else {
            Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the archive is cut off",
            ))
        }
    }
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = self.inner.read(out)?;
        let read = out.get(..len).unwrap_or_default();
        let zeros = read.iter().rev().take_while(|byte| **byte == 0).count();
        self.zeros = if zeros == len {
            self.zeros + zeros
        } else {
            zeros
        };
        Ok(len)
    }
}

/// Frames of zstd, one after the other.
struct ZstdFrames<R: BufRead>(Frame<R>);

enum Frame<R: BufRead> {
    Between(Option<R>),
    Inside(Box<StreamingDecoder<R, FrameDecoder>>),
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            match &mut self.0 {
                Frame::Inside(decoder) => {
                    let len = decoder.read(out)?;
                    if len > 0 || out.is_empty() {
                        return Ok(len);
                    }
                    let ended = std::mem::replace(&mut self.0, Frame::Between(None));
                    if let Frame::Inside(decoder) = ended {
                        self.0 = Frame::Between(Some(decoder.into_inner()));
                    }
                }
                Frame::Between(reader) => {
                    let Some(mut reader) = reader.take() else {
                        return Ok(0);
                    };
                    if reader.fill_buf()?.is_empty() {
                        return Ok(0);
                    }
                    let decoder =
                        StreamingDecoder::new_with_max_window_size(reader, ZSTD_WINDOW_MAX);
                    self.0 = Frame::Inside(Box::new(decoder.map_err(io::Error::other)?));
                }
            }
        }
    }
}
