//! A store that takes its time: the policy server hears of nothing before it is in force.

use std::sync::Mutex;

use tokio::sync::oneshot;

use super::*;

/// Each selection is in force when the test says so.
struct Late(Mutex<mpsc::UnboundedSender<(ProfileFacts, oneshot::Sender<()>)>>);

impl Reselect for Late {
    fn reselect(&self, _: SessionKey, facts: ProfileFacts) -> Pending<()> {
        let (in_force, wait) = oneshot::channel();
        self.0.lock().unwrap().send((facts, in_force)).unwrap();
        Box::pin(async move {
            let _ = wait.await;
        })
    }
}

type Selections = mpsc::UnboundedReceiver<(ProfileFacts, oneshot::Sender<()>)>;

/// Returns a peer that has answered profile 7, which is not in force yet, and its CCR.
async fn world() -> (Gx, Drain, TestPeer<TcpStream>, Message, Selections) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = config([listener.local_addr().unwrap()].into_iter(), None);
    let (sender, selections) = mpsc::unbounded_channel();
    let drain = Drain::default();
    let directory = Arc::new(Late(Mutex::new(sender)));
    let gx = start(config, directory, Metrics::default(), &drain);
    let mut peer = TestPeer::greet(listener.accept().await.unwrap().0).await;
    gx.tell(SessionEvent::Opened(KEY, subscriber())).unwrap();
    let ccr = peer.read().await;
    peer.answer(&ccr, &[profile(7)]).await;
    (gx, drain, peer, ccr, selections)
}

#[tokio::test]
async fn a_rar_is_answered_when_all_that_was_selected_is_in_force() {
    let (_gx, _drain, mut peer, ccr, mut selections) = world().await;
    let (seven, seven_in_force) = selections.recv().await.unwrap();
    peer.write(&rar(&ccr, 9)).await;
    let (nine, nine_in_force) = selections.recv().await.unwrap();
    assert_eq!((seven, nine), (said(7), said(9)));
    // The same again selects nothing, and must not be answered sooner.
    let mut again = rar(&ccr, 9);
    again.header.end_to_end += 1;
    peer.write(&again).await;
    // The watchdog is, which shows that the answers wait for the store alone.
    let watchdog = diameter::command::WatchdogRequest {
        origin: pcrf(),
        state: None,
    };
    peer.write(&watchdog.message()).await;
    nine_in_force.send(()).unwrap();
    let first = peer.read().await;
    assert_eq!(first.header.command, command_code::DEVICE_WATCHDOG);
    seven_in_force.send(()).unwrap();
    for end_to_end in [9, 10] {
        let raa = peer.read().await;
        assert_eq!(raa.header.end_to_end, end_to_end);
        assert_eq!(number(&raa, name::RESULT_CODE), result::SUCCESS);
    }
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_told_to_the_policy_server() {
    let (_gx, _drain, mut peer, ccr, mut selections) = world().await;
    let (_, seven_in_force) = selections.recv().await.unwrap();
    seven_in_force.send(()).unwrap();
    peer.write(&rar(&ccr, 9)).await;
    let (_, nine_in_force) = selections.recv().await.unwrap();
    let raa = peer.read().await;
    assert_eq!(number(&raa, name::RESULT_CODE), result::UNABLE_TO_COMPLY);
    drop(nine_in_force);
    let mut next = rar(&ccr, 8);
    next.header.end_to_end = 77;
    peer.write(&next).await;
    let (_, eight_in_force) = selections.recv().await.unwrap();
    eight_in_force.send(()).unwrap();
    let raa = peer.read().await;
    assert_eq!(number(&raa, name::RESULT_CODE), result::SUCCESS);
}
