//! Ranges of ids.

/// A range of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdRange {
    /// First id on the host.
    pub start: u32,
    /// How many.
    pub count: u32,
}

/// What of the ranges lies in the map.
pub(crate) fn clip(ranges: &[IdRange], map: &[IdRange]) -> Vec<IdRange> {
    let common = |range: &IdRange, mapped: &IdRange| {
        let start = range.start.max(mapped.start);
        let end = (range.start.saturating_add(range.count)).min(mapped.start.saturating_add(mapped.count));
        (start < end).then(|| IdRange { start, count: end - start })
    };
    ranges.iter().flat_map(|range| map.iter().filter_map(|mapped| common(range, mapped))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_that_there_are_stay() {
        let map = [IdRange { start: 0, count: 1 }, IdRange { start: 1, count: 65536 }];
        let of = |start, count| clip(&[IdRange { start, count }], &map);
        assert_eq!(of(1, u32::MAX - 1), [IdRange { start: 1, count: 65536 }]);
        assert_eq!(of(60000, 65536), [IdRange { start: 60000, count: 5537 }]);
        assert_eq!(of(100_000, 65536), []);
    }
}
