//! Idempotent producers in the background, and the log held against what they were promised.

use std::path::PathBuf;
use std::time::Duration;

use esker_harness::agents::Cluster;
use esker_harness::clients::{self, esker, must, python, python_in_background};
use esker_harness::process::Process;
use serde_json::Value;

/// The topic that they write.
pub const TOPIC: &str = "crash";
const PRODUCERS: usize = 2;
const PARTITIONS: u32 = 6;

/// Producers that run in the background, and the files of what they were promised.
pub struct Load {
    producers: Vec<(String, PathBuf, Process)>,
}

impl Load {
    /// Makes the topic and starts.
    pub fn start(cluster: &Cluster, seconds: u64) -> Self {
        must(
            "esker topic create",
            esker()
                .args(["topic", "create", TOPIC, "--partitions", &PARTITIONS.to_string()])
                .args(["--bootstrap-server", &cluster.agents[0].bootstrap()]),
        );
        let producers = (0..PRODUCERS)
            .map(|number| {
                let name = format!("p{number}");
                let acks = cluster.dir.join(&format!("{name}.acks"));
                let log = cluster.dir.join(&format!("{name}.log"));
                let bootstrap = cluster.bootstrap();
                let process = python_in_background(
                    "crash_producer.py",
                    &[
                        "--bootstrap",
                        &bootstrap,
                        "--topic",
                        TOPIC,
                        "--partitions",
                        &format!("0-{}", PARTITIONS - 1),
                        "--seconds",
                        &seconds.to_string(),
                        "--producer",
                        &name,
                        "--acks-file",
                        acks.to_str().unwrap(),
                    ],
                    &log,
                );
                (name, acks, process)
            })
            .collect();
        Self { producers }
    }

    /// Waits for the producers and holds the log against their promises, through every agent; returns what they say of
    /// themselves.
    pub fn check(mut self, cluster: &Cluster) -> Vec<Value> {
        let mut summaries = Vec::new();
        for (name, _, process) in &mut self.producers {
            let status = process.wait(Duration::from_secs(600)).expect("a producer hangs");
            let summary = clients::summary(&process.log());
            eprintln!("{name}: {summary}");
            assert!(status.success(), "{name}: {}", process.log());
            summaries.push(summary);
        }
        let partitions = format!("0-{}", PARTITIONS - 1);
        let readers: Vec<String> = cluster
            .agents
            .iter()
            .enumerate()
            .map(|(index, agent)| format!("{}@zone-{}", agent.bootstrap(), index + 1))
            .collect();
        let acks: Vec<String> = self
            .producers
            .iter()
            .map(|(name, acks, _)| format!("{name}={}", acks.display()))
            .collect();
        let mut arguments = vec!["--topic", TOPIC, "--partitions", &partitions];
        arguments.extend(readers.iter().flat_map(|reader| ["--reader", reader.as_str()]));
        arguments.extend(acks.iter().flat_map(|acks| ["--acks", acks.as_str()]));
        let summary = python("check_log.py", &arguments, cluster.dir.path());
        eprintln!("log: {summary}");
        assert!(
            summary["acknowledged"].as_u64().unwrap_or(0) > 1_000,
            "hardly anything was acknowledged"
        );
        summaries
    }
}
