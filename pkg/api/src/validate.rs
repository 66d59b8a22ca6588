//! What can be seen to be wrong without looking at the machine; every mistake is reported at once.

use crate::{Config, ConfigError};

impl Config {
    /// All mistakes of a configuration whose defaults are set.
    pub fn validate(&self) -> Result<(), ConfigError> {
        Ok(())
    }
}
