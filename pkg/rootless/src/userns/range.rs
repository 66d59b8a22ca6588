//! Ranges of ids.

/// Ids that one image of an ordinary distribution may use.
pub(crate) const ENOUGH_IDS: u64 = BLOCK as u64;
/// Ids of the node itself, and of each pod with a user namespace of its own, as the kubelet allocates them.
pub(super) const BLOCK: u32 = 65536;

/// A range of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdRange {
    /// First id on the host.
    pub start: u32,
    /// Number of ids.
    pub count: u32,
}

/// The parts of the ranges that lie in the map.
pub(crate) fn intersect_ranges(ranges: &[IdRange], map: &[IdRange]) -> Vec<IdRange> {
    ranges.iter().flat_map(|range| map.iter().filter_map(|mapped| range.intersection(*mapped))).collect()
}

/// The ranges without one id, which is left out of the range that holds it.
pub(crate) fn exclude_id(ranges: &[IdRange], id: u32) -> Vec<IdRange> {
    let around = [IdRange { start: 0, count: id }, IdRange { start: id.saturating_add(1), count: u32::MAX - id }];
    intersect_ranges(ranges, &around)
}

impl IdRange {
    /// Whether the id is in the range.
    pub(crate) fn contains(self, id: u32) -> bool {
        id >= self.start && id - self.start < self.count
    }

    /// Whether both ranges have an id.
    pub(crate) fn overlaps(self, other: Self) -> bool {
        self.intersection(other).is_some()
    }

    /// The ids that both ranges have.
    fn intersection(self, other: Self) -> Option<Self> {
        let start = self.start.max(other.start);
        let end = self.start.saturating_add(self.count).min(other.start.saturating_add(other.count));
        (start < end).then(|| Self { start, count: end - start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_that_there_are_stay() {
        let map = [IdRange { start: 0, count: 1 }, IdRange { start: 1, count: 65536 }];
        let of = |start, count| intersect_ranges(&[IdRange { start, count }], &map);
        assert_eq!(of(1, u32::MAX - 1), [IdRange { start: 1, count: 65536 }]);
        assert_eq!(of(60000, 65536), [IdRange { start: 60000, count: 5537 }]);
        assert_eq!(of(100_000, 65536), []);
    }

    #[test]
    fn one_id_is_left_out() {
        let ranges = [IdRange { start: 100_500, count: 1 }, IdRange { start: 100_000, count: 400 }];
        assert_eq!(exclude_id(&ranges, 100_500), ranges[1..]);
        let halves = [IdRange { start: 100_000, count: 100 }, IdRange { start: 100_101, count: 299 }];
        assert_eq!(exclude_id(&ranges[1..], 100_100), halves);
        assert_eq!(exclude_id(&ranges, 7), ranges);
    }
}
