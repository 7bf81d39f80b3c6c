//! Which known name somebody probably meant.

/// The known name that resembles `name`, if one does: at most a third of it differs.
pub(super) fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let wanted = normal(name);
    let distances = known.iter().map(|known| (strsim::damerau_levenshtein(&wanted, known), known));
    let (distance, best) = distances.min_by_key(|(distance, _)| *distance)?;
    let tolerated = (best.chars().count() / 3).max(1);
    (distance <= tolerated).then_some(best)
}

/// As configuration keys are written here, whatever case and separator were used.
fn normal(name: &str) -> String {
    name.to_lowercase().replace(['_', ' ', '.'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nearest_of(name: &str) -> Option<String> {
        let known = ["private-key-file", "listen-port", "uplink", "pool"].map(str::to_owned);
        nearest(name, &known).map(str::to_owned)
    }

    #[test]
    fn slips_and_foreign_spellings_are_recognised() {
        for name in ["listen-prot", "listen_port", "ListenPort", "LISTEN-PORT", "listenport"] {
            assert_eq!(nearest_of(name).as_deref(), Some("listen-port"), "{name}");
        }
        assert_eq!(nearest_of("private-key").as_deref(), Some("private-key-file"));
        assert_eq!(nearest_of("pol").as_deref(), Some("pool"));
    }

    #[test]
    fn what_resembles_nothing_gets_no_name() {
        for name in ["mtu", "x", "", "dns-servers"] {
            assert_eq!(nearest_of(name), None, "{name}");
        }
        assert_eq!(nearest("uplink", &[]), None);
    }
}
