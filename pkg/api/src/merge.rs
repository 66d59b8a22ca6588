//! Merging of YAML documents: the user's fields over ours.

use serde_yaml::{Mapping, Value};

/// Merges `over` into `base` as a JSON merge patch (RFC 7386): mappings key by key, null removes a key, and anything else
/// replaces the value.
pub fn merge_yaml(base: &mut Mapping, over: &Mapping) {
    for (key, value) in over {
        match (base.get_mut(key), value) {
            (_, Value::Null) => {
                base.remove(key);
            }
            (Some(Value::Mapping(base)), Value::Mapping(over)) => merge_yaml(base, over),
            _ => {
                base.insert(key.clone(), value.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Mapping {
        serde_yaml::from_str(text).expect("a mapping")
    }

    #[test]
    fn mappings_are_merged_and_other_values_replaced() {
        let mut base = parse("{a: 1, b: {c: 2, d: [3, 4]}, e: 5, f: {g: 6}}");
        merge_yaml(&mut base, &parse("{a: 7, b: {d: [8], h: 9}, e: null, f: 10, i: {j: 11}, k: null}"));
        assert_eq!(base, parse("{a: 7, b: {c: 2, d: [8], h: 9}, f: 10, i: {j: 11}}"));
    }
}
