//! `v6tun-server status`: what the running server says of itself.

use crate::args::{GlobalArgs, StatusArgs};
use crate::control::{ControlRequest, ControlResponse};
use crate::folders::Folders;
use anyhow::{Result, bail};
use v6tun_cli::{Failure, hinted};
use v6tun_host::control_socket::{self, ControlError};

pub(crate) async fn run(global: &GlobalArgs, args: &StatusArgs) -> Result<()> {
    let folders = Folders::named(global);
    let answer = control_socket::request(&folders.control_socket, &ControlRequest::Status).await;
    match answer.map_err(hinted(ControlError::hint))? {
        Some(ControlResponse::Status(status)) if args.json => {
            println!("{}", serde_json::to_string_pretty(&status)?);
        }
        Some(ControlResponse::Status(status)) => print!("{}", status.to_text()),
        Some(ControlResponse::Failed(why)) => bail!("the server did not answer: {why}"),
        Some(ControlResponse::Down) => bail!("the server answered something else"),
        None => {
            return Err(Failure::not_running("the server is not running")
                .with_hint("start it: v6tun-server up")
                .into());
        }
    }
    Ok(())
}
