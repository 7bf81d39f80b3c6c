//! `v6tun-client status`: what the running client says of itself.

use std::io::{self, Write};

use anyhow::{Result, bail};
use v6tun_cli::Failure;
use v6tun_host::control_socket;

use super::{Request, Response};
use crate::{
    args::{GlobalArgs, StatusArgs},
    folders::Folders,
    hinted::OrFail,
};

pub(crate) async fn run(global: &GlobalArgs, args: &StatusArgs) -> Result<()> {
    let folders = Folders::named(global);
    let status = match control_socket::request(&folders.control_socket, &Request::Status).await.or_failed()? {
        Some(Response::Status(status)) => status,
        Some(Response::Failed(why)) => bail!("the client does not tell: {why}"),
        Some(Response::Down) => bail!("the client answered something else"),
        None => {
            let failure = Failure::not_running("the client is not running");
            return Err(failure.with_hint("`sudo v6tun-client up` starts it").into());
        }
    };
    let text = if args.json { serde_json::to_string_pretty(&status)? + "\n" } else { status.to_text() };
    Ok(io::stdout().write_all(text.as_bytes())?)
}
