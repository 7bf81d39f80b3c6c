//! Chains of other people's firewalls, by `nft`.

use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use crate::network::ChainOpening;
use crate::packet_filter::{Hook, Ruleset, generation, list_ruleset, run_nft};

/// The rules as they were listed last, and the number that the kernel gave them: where it is the same they are.
#[derive(Debug, Clone, Default)]
pub(super) struct Chains(Arc<Mutex<Option<(u32, Ruleset)>>>);

impl Chains {
    /// The chains that drop what is forwarded from or to that link, and those that are opened to it.
    pub(super) fn look(&self, link: &str) -> io::Result<(Vec<ChainOpening>, Vec<ChainOpening>)> {
        let ruleset = self.ruleset()?;
        let closed = ruleset.obstacles(Hook::Forward, &["ip6", "inet"], link).map(|obstacle| ChainOpening {
            family: obstacle.family,
            table: obstacle.table,
            chain: obstacle.chain,
            link: link.to_owned(),
        });
        Ok((closed.collect(), ruleset.openings(link)))
    }

    pub(super) fn open(&self, opening: &ChainOpening) -> io::Result<()> {
        run_nft(&["-f", "-"], &opening.to_string()).map(drop)
    }

    /// Where the rules are gone already nothing is left to do.
    pub(super) fn close(&self, opening: &ChainOpening) -> io::Result<()> {
        let ChainOpening { family, table, chain, .. } = opening;
        let mut script = String::new();
        for handle in list_ruleset()?.handles_of(opening) {
            let _infallible = writeln!(script, "delete rule {family} {table} {chain} handle {handle}");
        }
        if script.is_empty() { Ok(()) } else { run_nft(&["-f", "-"], &script).map(drop) }
    }

    fn ruleset(&self) -> io::Result<Ruleset> {
        let before = generation();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(now), Some((then, ruleset))) = (before, known.as_ref())
            && now == *then
        {
            return Ok(ruleset.clone());
        }
        let ruleset = list_ruleset()?;
        // What changes while it is listed is seen the next time.
        *known = before.map(|before| (before, ruleset.clone()));
        Ok(ruleset)
    }
}
