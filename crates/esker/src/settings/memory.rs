//! How much memory an agent takes if nobody says: 1 GiB, or half of what its cgroup may use.

use std::path::Path;

/// The default where nothing limits the process.
const MEMORY_BYTES: u64 = 1 << 30;

/// The default of `memory_bytes` on this machine.
pub(crate) fn default_bytes() -> u64 {
    default_of(limit(Path::new("/sys/fs/cgroup"), Path::new("/proc/self/cgroup")))
}

fn default_of(limit: Option<u64>) -> u64 {
    let half = limit.map_or(u64::MAX, |limit| limit / 2);
    MEMORY_BYTES.min(half).max(esker_broker::budget::MEMORY_BYTES_MIN)
}

/// The smallest memory limit of the process's cgroup and the ones around it; `None` if there is none.
/// Reads both hierarchies: version 2 has one, version 1 has one for memory.
fn limit(mount: &Path, own: &Path) -> Option<u64> {
    let own = std::fs::read_to_string(own).unwrap_or_default();
    let mut smallest: Option<u64> = None;
    for line in own.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (root, file) = match controllers {
            "" => (mount.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|c| c == "memory") => {
                (mount.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        // In a container the path may be the host's and not exist here: its ancestors then count, down
        // to the root of the mount, which is the container's own group.
        let path = Path::new(path.trim_start_matches('/'));
        for ancestor in path.ancestors() {
            if let Some(found) = read(&root.join(ancestor).join(file)) {
                smallest = Some(smallest.map_or(found, |smallest| smallest.min(found)));
            }
        }
    }
    smallest
}

/// A limit file: a number, `max`, or a number so large that it means none.
fn read(file: &Path) -> Option<u64> {
    let bytes: u64 = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    (bytes < 1 << 60).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn takes_the_smallest_limit_around() {
        let dir = tempfile::tempdir().unwrap();
        let (mount, own) = (dir.path().join("cgroup"), dir.path().join("self"));
        fs::create_dir_all(mount.join("a/b")).unwrap();
        fs::write(&own, "0::/a/b\n").unwrap();
        assert_eq!(limit(&mount, &own), None);
        fs::write(mount.join("a/b/memory.max"), "max\n").unwrap();
        assert_eq!(limit(&mount, &own), None);
        fs::write(mount.join("a/memory.max"), "536870912\n").unwrap();
        assert_eq!(limit(&mount, &own), Some(512 << 20));
        fs::write(mount.join("a/b/memory.max"), "1073741824\n").unwrap();
        assert_eq!(limit(&mount, &own), Some(512 << 20));
    }

    #[test]
    fn knows_the_old_hierarchy() {
        let dir = tempfile::tempdir().unwrap();
        let (mount, own) = (dir.path().join("cgroup"), dir.path().join("self"));
        fs::create_dir_all(mount.join("memory")).unwrap();
        fs::write(&own, "9:cpu,cpuacct:/x\n5:memory:/docker/abc\n").unwrap();
        fs::write(mount.join("memory/memory.limit_in_bytes"), "268435456").unwrap();
        assert_eq!(limit(&mount, &own), Some(256 << 20));
        fs::write(mount.join("memory/memory.limit_in_bytes"), "9223372036854771712").unwrap();
        assert_eq!(limit(&mount, &own), None);
    }

    #[test]
    fn default_is_half_of_the_limit_within_bounds() {
        assert_eq!(default_of(None), 1 << 30);
        assert_eq!(default_of(Some(8 << 30)), 1 << 30);
        assert_eq!(default_of(Some(512 << 20)), 256 << 20);
        assert_eq!(default_of(Some(32 << 20)), 64 << 20);
    }
}
