//! `v6tun-client status`: asks the running client, at once or until it is up.

use std::{
    io::{self, Write},
    time::Duration,
};

use anyhow::Result;
use tokio::time::sleep;
use v6tun_cli::{Failure, exit_code};
use v6tun_wire::GlobalArgs;

use super::{State, Status};
use crate::{ROLE, args::StatusArgs, patience::Patience};

/// How often a client that is not up yet is asked again: a look costs a fraction of a millisecond.
const ASK_AGAIN: Duration = Duration::from_millis(100);

pub(crate) async fn run(global: &GlobalArgs, args: &StatusArgs) -> Result<()> {
    let ask = async || v6tun_wire::status(ROLE, global).await;
    let status = match args.wait {
        Some(_) => until_up(ask, Patience::start(args.wait)).await?,
        None => ask().await?,
    };
    let text =
        if args.common.json { serde_json::to_string_pretty(&status)? + "\n" } else { status.to_text() };
    Ok(io::stdout().write_all(text.as_bytes())?)
}

/// Asks again and again until the client is up.
async fn until_up(ask: impl AsyncFn() -> Result<Status>, patience: Patience) -> Result<Status> {
    let ask_on = async {
        loop {
            match ask().await {
                Ok(status) if status.state == State::Up => return Ok(status),
                Err(error) if is_final(&error) => return Err(error),
                _ => sleep(ASK_AGAIN).await,
            }
        }
    };
    tokio::select! {
        answer = ask_on => answer,
        () = patience.over() => Err(why_not(ask().await, patience)),
    }
}

/// A client that does not run may be starting, and one that does not tell has just started. A socket that may not
/// be used will not be open to us in a second either.
fn is_final(error: &anyhow::Error) -> bool {
    error.downcast_ref::<Failure>().is_some_and(|failure| failure.exit_code() == exit_code::FAILED)
}

fn why_not(last: Result<Status>, patience: Patience) -> anyhow::Error {
    let hint = format!("`{} status` shows how far it is", ROLE.program);
    match last {
        Ok(status) => {
            anyhow::anyhow!("{}", status.state.as_str()).context(patience.failure().with_hint(hint))
        }
        Err(error) if error.downcast_ref::<Failure>().is_some() => error,
        Err(error) => error.context(patience.failure().with_hint(hint)),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::{super::tests::connecting, *};

    const WAIT: Option<u32> = Some(1);

    /// What a user sees who waits while the client answers this, the last for ever.
    fn wait(answers: Vec<Result<Status>>) -> Result<Status, (u8, String)> {
        let answers = RefCell::new(answers.into_iter());
        let last = RefCell::new(None);
        let ask = async || {
            let answer = answers.borrow_mut().next();
            match answer {
                Some(Ok(status)) => *last.borrow_mut() = Some(status),
                Some(Err(error)) => return Err(error),
                None => {}
            }
            last.borrow().clone().ok_or_else(|| Failure::not_running("the client is not running").into())
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let waited = runtime.block_on(until_up(ask, Patience::start(WAIT)));
        waited.map_err(|error| {
            let code = error.downcast_ref::<Failure>().map_or(exit_code::FAILED, Failure::exit_code);
            (code, format!("{error:#}"))
        })
    }

    fn up() -> Status {
        Status { state: State::Up, ..connecting() }
    }

    #[test]
    fn a_client_that_starts_and_connects_meanwhile_is_waited_for() {
        let not_running = Err(Failure::not_running("the client is not running").into());
        let looking_up = Err(anyhow::anyhow!("it is still looking up vps.example:51820"));
        assert_eq!(wait(vec![not_running, looking_up, Ok(connecting()), Ok(up())]), Ok(up()));
    }

    #[test]
    fn what_is_missing_at_the_end_decides_the_exit_status() {
        let (code, why) = wait(vec![Ok(connecting())]).unwrap_err();
        assert_eq!((code, why.as_str()), (4, "not connected within 1 second: connecting"));
        let (code, why) = wait(vec![]).unwrap_err();
        assert_eq!((code, why.as_str()), (3, "the client is not running"));
    }

    #[test]
    fn a_socket_that_may_not_be_used_is_not_asked_again() {
        let denied = Err(Failure::failed("permission denied").into());
        assert_eq!(wait(vec![denied, Ok(up())]).unwrap_err().0, 1);
    }
}
