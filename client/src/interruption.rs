//! Work that the operator may interrupt.

use v6tun_wire::{Operator, Response, Wish};

use crate::{
    order::{Answer, Order},
    status::Status,
};

/// The work's outcome; `None` if the operator wanted the end before it was done. Whoever asks for the status
/// meanwhile is told that the client is still `doing` it.
pub(crate) async fn unless_stopped<T>(
    operator: &mut Operator<Status>,
    doing: &str,
    work: impl Future<Output = T>,
) -> Option<T> {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            outcome = &mut work => return Some(outcome),
            wish = operator.next() => match wish {
                Wish::Stop => return None,
                Wish::Status(reply) => {
                    // Whoever asked may have gone: then nobody misses the answer.
                    let _unasked = reply.send(Response::Failed(format!("it is still {doing}")));
                }
                Wish::Order(Order::TestInbound { .. }, reply) => {
                    // As above.
                    let _unasked = reply.send(Response::Answer(Answer::Inbound(None)));
                }
            }
        }
    }
}
