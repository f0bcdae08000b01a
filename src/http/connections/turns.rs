//! Turns: the handshakes of one worker go on a few at a time, and each network of clients that waits
//! has its turn before another has its next.
//!
//! A step of a handshake costs up to milliseconds, and more clients can ask for one than there is
//! time for. First come, first served, a client would wait for all those that one attacker has sent
//! before it.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::iter;
use std::mem;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::peer::Peer;
use crate::mutex::locked;

/// How many have a turn at once. Before each, all other tasks of the worker go on once: with more,
/// requests on open connections wait for more handshakes, and with fewer, a handshake waits for more
/// requests.
const AT_ONCE: usize = 2;

/// A network of clients; `None` is that of clients whose address is not known.
type Network = Option<IpAddr>;

/// The turns of one worker; clones share them.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<Mutex<Queue>>);

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Turn(Turns);

#[derive(Debug, Default)]
struct Queue {
    /// How many have a turn.
    taken: usize,
    /// Those that wait, by their network.
    waiting: HashMap<Network, VecDeque<Waiting>>,
    /// The networks that have somebody waiting, in the order of their turns.
    networks: VecDeque<Network>,
}

/// One that waits for a turn.
#[derive(Debug)]
struct Waiting {
    turn: oneshot::Sender<Turn>,
    /// The client, if it need not have a turn once it has left.
    peer: Option<Peer>,
}

impl Turns {
    /// Runs a handshake, each step of it in a turn of its network. Returns nothing if the client has
    /// left, or has been cut off, before the first step. Later it may have ended its sending side
    /// after a request, which is answered.
    pub(super) async fn run<F: Future>(
        &self,
        network: Network,
        peer: &Peer,
        steps: F,
    ) -> Option<F::Output> {
        let mut steps = pin!(steps);
        let mut turn = self.take(network, Some(peer)).await?;
        loop {
            let step = poll_fn(|context| Poll::Ready(steps.as_mut().poll(context))).await;
            if let Poll::Ready(output) = step {
                return Some(output);
            }
            drop(turn);
            until_woken().await;
            turn = self.take(network, None).await?;
        }
    }

    /// Waits for a turn, and then lets others go on once: those that are as far ask for theirs, and
    /// the system tells who has left. Returns none to a peer that has.
    async fn take(&self, network: Network, peer: Option<&Peer>) -> Option<Turn> {
        let waiting = locked(&self.0).enter(network, peer);
        let turn = match waiting {
            None => Turn(self.clone()),
            Some(waiting) => waiting.await.ok()?,
        };
        yield_now().await;
        peer.is_none_or(|peer| !peer.sends_no_more()).then_some(turn)
    }
}

impl Queue {
    /// Takes a turn if there is one. Otherwise returns what brings it; that is closed if the peer has
    /// left.
    fn enter(&mut self, network: Network, peer: Option<&Peer>) -> Option<oneshot::Receiver<Turn>> {
        if self.taken < AT_ONCE {
            self.taken += 1;
            return None;
        }
        let (turn, waiting) = oneshot::channel();
        let of_network = self.waiting.entry(network).or_default();
        if of_network.is_empty() {
            self.networks.push_back(network);
        }
        of_network.push_back(Waiting { turn, peer: peer.cloned() });
        Some(waiting)
    }

    /// Returns the next that has a turn. Those whose client has left are passed by.
    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        while let Some(network) = self.networks.pop_front() {
            let Some(of_network) = self.waiting.get_mut(&network) else { continue };
            let next = iter::from_fn(|| of_network.pop_front()).find(Waiting::is_there);
            if of_network.is_empty() {
                self.waiting.remove(&network);
            } else {
                self.networks.push_back(network);
            }
            if let Some(next) = next {
                return Some(next.turn);
            }
        }
        None
    }
}

impl Waiting {
    fn is_there(&self) -> bool {
        !self.turn.is_closed() && self.peer.as_ref().is_none_or(|peer| !peer.sends_no_more())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut queue = locked(&self.0.0);
        let next = queue.next();
        if next.is_none() {
            queue.taken -= 1;
        }
        drop(queue);
        if let Some(next) = next {
            // One that no longer waits hands it on by dropping it.
            next.send(Turn(self.0.clone())).ok();
        }
    }
}

/// Waits until the task is woken by what it has asked for before.
async fn until_woken() {
    let mut has_slept = false;
    poll_fn(|_| if mem::replace(&mut has_slept, true) { Poll::Ready(()) } else { Poll::Pending })
        .await;
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, TcpStream};

    use tokio::time::Instant;

    use super::super::activity::Activity;
    use super::*;

    /// Returns both ends of a connection, and who is at the other end.
    fn connected() -> (Arc<TcpStream>, TcpStream, Peer) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let socket = Arc::new(listener.accept().unwrap().0);
        let peer = Peer::at(&socket, &Arc::new(Activity::begin(Instant::now())));
        (socket, client, peer)
    }

    fn network(last: u8) -> IpAddr {
        Ipv4Addr::new(192, 0, 2, last).into()
    }

    type Waiters = Vec<(u8, oneshot::Receiver<Turn>)>;

    /// Lets clients of these networks wait for a turn.
    fn waiting(queue: &mut Queue, networks: &[u8], peer: &Peer) -> Waiters {
        queue.taken = AT_ONCE;
        let mut enter = |last| (last, queue.enter(Some(network(last)), Some(peer)).unwrap());
        networks.iter().map(|last| enter(*last)).collect()
    }

    /// Returns the networks of those that wait, in the order in which they get their turns.
    fn served(queue: &mut Queue, waiters: &mut Waiters) -> Vec<u8> {
        let mut order = Vec::new();
        while let Some(next) = queue.next() {
            let turns = Turns::default();
            locked(&turns.0).taken = 1;
            next.send(Turn(turns)).unwrap();
            let at = waiters.iter_mut().position(|(_, each)| each.try_recv().is_ok()).unwrap();
            order.push(waiters.remove(at).0);
        }
        assert!(queue.waiting.is_empty() && queue.networks.is_empty());
        order
    }

    #[test]
    fn each_network_has_a_turn_before_another_has_its_next() {
        let (_socket, _client, peer) = connected();
        let mut queue = Queue::default();
        let mut waiters = waiting(&mut queue, &[1, 1, 1, 1, 2, 2, 3], &peer);
        assert_eq!(served(&mut queue, &mut waiters), [1, 2, 3, 1, 2, 1, 1]);
    }

    #[test]
    fn one_whose_client_has_left_or_that_no_longer_waits_has_no_turn() {
        let (_socket, _client, peer) = connected();
        let (_other_socket, left, gone) = connected();
        let mut queue = Queue::default();
        let mut waiters = waiting(&mut queue, &[1, 1, 2], &peer);
        waiters.extend(waiting(&mut queue, &[1, 3], &gone));
        waiters.remove(0);
        drop(left);
        assert_eq!(served(&mut queue, &mut waiters), [1, 2]);
        assert!(waiters.iter_mut().all(|(_, each)| each.try_recv().is_err()));
    }

    #[tokio::test]
    async fn a_turn_that_is_not_used_goes_to_the_next() {
        let turns = Turns::default();
        let first = turns.take(None, None).await;
        locked(&turns.0).taken = AT_ONCE;
        let unused = locked(&turns.0).enter(None, None);
        let waiting = locked(&turns.0).enter(None, None).unwrap();
        drop(first);
        drop(unused);
        drop(waiting.await.unwrap());
        assert_eq!(locked(&turns.0).taken, AT_ONCE - 1);
    }
}
