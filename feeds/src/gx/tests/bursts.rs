//! Much at once, from either side, is waited for and not given up.

use super::*;

/// A directory that nobody asks what it was told.
struct Deaf;

impl Reselect for Deaf {
    fn reselect(&self, _: SessionKey, _: ProfileFacts) -> Pending<()> {
        Box::pin(ready(()))
    }
}

const MANY: usize = 3_000;

#[tokio::test]
async fn as_many_requests_as_may_be_awaited_go_out_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut config = config([listener.local_addr().unwrap()].into_iter(), None);
    (config.gx.sessions_max, config.client.pending_max) = (MANY, MANY);
    config.queue_max = MANY;
    let (drain, metrics) = (Drain::default(), Metrics::default());
    let gx = start(config, Arc::new(Deaf), metrics.clone(), &drain);
    for key in 0..u64::try_from(MANY).unwrap() {
        let event = SessionEvent::Opened(SessionKey(key), subscriber());
        gx.tell(event).unwrap();
    }
    while metrics.sessions.get() < i64::try_from(MANY).unwrap() {
        tokio::task::yield_now().await;
    }
    let mut peer = TestPeer::greet(listener.accept().await.unwrap().0).await;
    for _ in 0..MANY {
        let ccr = peer.read().await;
        assert_eq!(ccr.header.command, command_code::CREDIT_CONTROL);
    }
    assert_eq!(metrics.disconnects.get(), 0);
}

#[tokio::test]
async fn a_peer_that_asks_much_before_it_listens_has_every_answer() {
    const ASKED: u32 = 20_000;
    /// A write that takes longer has filled what there is between the two.
    const STUCK: Duration = Duration::from_millis(200);
    let mut world = World::new(1).await;
    let mut peer = world.accept(0).await;
    world.open();
    let ccr = peer.read().await;
    peer.answer(&ccr, &[profile(7)]).await;
    assert_eq!(world.fact().await, said(7));
    let (mut reader, mut writer) = tokio::io::split(peer.stream);
    let is_stuck = tokio::sync::Notify::new();
    let asking = async {
        for nth in 0..ASKED {
            let mut request = rar(&ccr, 7);
            request.header.end_to_end = nth;
            let bytes = request.write().unwrap();
            let mut write = std::pin::pin!(writer.write_all(&bytes));
            let written = match timeout(STUCK, &mut write).await {
                Ok(written) => written,
                Err(_) => {
                    is_stuck.notify_one();
                    write.await
                }
            };
            written.unwrap();
        }
        is_stuck.notify_one();
    };
    let listening = async {
        is_stuck.notified().await;
        let mut received = BytesMut::new();
        let mut answers = 0;
        while answers < ASKED {
            if let Framed::Message(len) = frame(&received) {
                drop(received.split_to(len));
                answers += 1;
                continue;
            }
            let read = timeout(WAIT, reader.read_buf(&mut received)).await;
            assert_ne!(read.unwrap().unwrap(), 0, "the connection ended");
        }
    };
    tokio::join!(asking, listening);
    assert_eq!(world.metrics.disconnects.get(), 0);
}
