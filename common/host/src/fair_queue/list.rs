//! A first-in-first-out list through elements that lie in a slice.

/// An element that knows the next one.
pub(super) trait Chained {
    fn next(&mut self) -> &mut Option<u16>;
}

/// The ends of the list. Each element is in one list at the most.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct List {
    first: Option<u16>,
    last: Option<u16>,
}

impl List {
    pub(super) fn is_empty(self) -> bool {
        self.first.is_none()
    }

    pub(super) fn first(self) -> Option<u16> {
        self.first
    }

    pub(super) fn push<T: Chained>(&mut self, all: &mut [T], index: u16) {
        let Some(element) = all.get_mut(usize::from(index)) else { return };
        *element.next() = None;
        match self.last.replace(index).and_then(|last| all.get_mut(usize::from(last))) {
            Some(last) => *last.next() = Some(index),
            None => self.first = Some(index),
        }
    }

    pub(super) fn pop<T: Chained>(&mut self, all: &mut [T]) -> Option<u16> {
        let first = self.first?;
        self.first = all.get_mut(usize::from(first)).and_then(|element| element.next().take());
        if self.first.is_none() {
            self.last = None;
        }
        Some(first)
    }
}
