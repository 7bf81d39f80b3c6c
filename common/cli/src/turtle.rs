//! The turtle that dances for those who come by IPv6, as a terminal can show it.

use std::time::Duration;

/// The time from one step of the dance to the next.
pub const STEP: Duration = Duration::from_millis(180);

/// The turtle that keeps still.
pub const STILL: &str = r"

                  _.-----._
     ____       .'\ / \ / '.
    / -  \_____/__V__ V__V__\__
    \_._______  _________  ____>
              \_|       \_|
";

/// The steps of the dance.
pub const DANCE: [&str; 4] = [
    r"
     ____    ~    _.-----._       ~
    / o  \      .'\ / \ / '.
    \_v__ \____/__V__ V__V__\__
         \____  _________  ____>
              \_\       \_\
",
    r"
            ~     _.-----._     ~
     ____       .'\ / \ / '.      _
    / ^  \_____/__V__ V__V__\____/
    \_v_______  _________  ____/
              |_/       |_/
",
    r"
          ~       _.-----._    ~
                .'\ / \ / '.
     ____ _____/__V__ V__V__\__
    / o  \____  _________  ____>
    \_v__/    /_/       /_/
",
    r"
            ~     _.-----._     ~
     ____       .'\ / \ / '.
    / ^  \_____/__V__ V__V__\__
    \_v_______  _________  ____\__
              |_/       |_/
",
];
