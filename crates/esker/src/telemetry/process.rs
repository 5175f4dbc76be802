//! The process as the system sees it, under the names that all exporters of Prometheus use. Only Linux tells.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The gauges of the process.
#[derive(Clone, Default)]
pub(crate) struct ProcessMetrics {
    cpu_seconds: Counter<f64, std::sync::atomic::AtomicU64>,
    resident_bytes: Gauge,
    open_files: Gauge,
    open_files_max: Gauge,
    started_seconds: Gauge<f64, std::sync::atomic::AtomicU64>,
}

impl ProcessMetrics {
    /// Makes them visible.
    pub(crate) fn register(&self, registry: &mut Registry, started_ms: i64) {
        self.started_seconds.set(started_ms as f64 / 1_000.0);
        registry.register(
            "process_cpu_seconds",
            "Time that the processors worked for this process",
            self.cpu_seconds.clone(),
        );
        registry.register(
            "process_resident_memory_bytes",
            "Memory in use",
            self.resident_bytes.clone(),
        );
        registry.register(
            "process_open_fds",
            "Open files and connections",
            self.open_files.clone(),
        );
        registry.register(
            "process_max_fds",
            "Most files and connections that may be open",
            self.open_files_max.clone(),
        );
        registry.register(
            "process_start_time_seconds",
            "When the process began, in seconds since 1970",
            self.started_seconds.clone(),
        );
    }

    /// Looks. What the system does not tell stays as it was.
    #[cfg(target_os = "linux")]
    pub(crate) fn look(&self) {
        use procfs::process::{LimitValue, Process};

        let Ok(process) = Process::myself() else { return };
        if let Ok(stat) = process.stat() {
            let seconds = (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64;
            self.cpu_seconds
                .inc_by((seconds - self.cpu_seconds.get()).max(0.0));
            let resident = stat.rss.saturating_mul(procfs::page_size());
            self.resident_bytes
                .set(i64::try_from(resident).unwrap_or(i64::MAX));
        }
        if let Ok(count) = process.fd_count() {
            self.open_files.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        if let Ok(limits) = process.limits()
            && let LimitValue::Value(most) = limits.max_open_files.soft_limit
        {
            self.open_files_max.set(i64::try_from(most).unwrap_or(i64::MAX));
        }
    }

    /// Looks. This system does not tell.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn look(&self) {}
}
