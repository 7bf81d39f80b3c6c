//! What a server may know, as far as it can be told from outside.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use super::orders::{Known, Order};

/// All that may be so.
///
/// An acknowledgement leaves one future to each possible past, and on the disk nothing else. A refusal for which
/// there was no cause but a fault may have come when the new state was in one file already: whoever runs goes on
/// with the old one, but after a crash either may be found.
pub(crate) struct Belief {
    /// What whoever is asked next may answer.
    answers: BTreeSet<Known>,
    /// What is found after a crash.
    disk: BTreeSet<Known>,
    /// Whether what is answered next was just read from the disk, and made equal there.
    is_fresh: bool,
}

impl Belief {
    pub(crate) fn certain(known: Known) -> Self {
        Self { answers: BTreeSet::from([known.clone()]), disk: BTreeSet::from([known]), is_fresh: false }
    }

    /// One of what may be answered.
    pub(crate) fn guess(&self) -> Known {
        self.answers.first().cloned().unwrap_or_default()
    }

    /// The order was acknowledged: by the model it could be, and it is done for good.
    pub(crate) fn acknowledge(&mut self, order: &Order, told: &str) -> Result<()> {
        let after: BTreeSet<Known> =
            self.answers.iter().filter_map(|known| order.carry_out(known, Some(told))).collect();
        ensure!(!after.is_empty(), "acknowledged, but of {:?} it had to be refused", self.answers);
        self.answers.clone_from(&after);
        self.disk = after;
        Ok(())
    }

    /// The order was refused though nothing had gone wrong.
    pub(crate) fn refuse(&mut self, order: &Order) -> Result<()> {
        let before = self.answers.clone();
        self.answers.retain(|known| order.carry_out(known, None).is_none());
        ensure!(!self.answers.is_empty(), "refused, but of {before:?} it had to be granted");
        Ok(())
    }

    /// The order failed by a fault.
    pub(crate) fn doubt(&mut self, order: &Order) {
        self.disk.extend(self.answers.iter().filter_map(|known| order.carry_out(known, None)));
        self.is_fresh = false;
    }

    /// Whoever ran has ended, and the next one reads the disk.
    pub(crate) fn crash(&mut self) {
        self.answers.clone_from(&self.disk);
        self.is_fresh = true;
    }

    /// What was listed must be one of what may be so, and is so from now on.
    pub(crate) fn settle(&mut self, listed: Known) -> Result<()> {
        ensure!(
            self.answers.iter().any(|known| known.fits(&listed)),
            "listed: {listed:?}\nwhich is none of {:?}",
            self.answers
        );
        self.answers = BTreeSet::from([listed]);
        if self.is_fresh {
            self.disk.clone_from(&self.answers);
            self.is_fresh = false;
        }
        Ok(())
    }
}
