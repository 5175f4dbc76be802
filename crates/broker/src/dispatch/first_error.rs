//! Where each response keeps its errors: the first one found is the request's label in the metrics.

use esker_protocol::ErrorCode;
use esker_protocol::messages::*;

/// The first error of a response.
pub(crate) trait FirstError {
    /// `ErrorCode::None` if everything went well.
    fn first_error(&self) -> ErrorCode;
}

fn first(codes: impl IntoIterator<Item = i16>) -> ErrorCode {
    codes
        .into_iter()
        .find(|code| *code != 0)
        .map_or(ErrorCode::None, |code| {
            ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError)
        })
}

macro_rules! first_error {
    ($($response:ident: |$this:ident| $codes:expr;)*) => {
        $(impl FirstError for $response {
            fn first_error(&self) -> ErrorCode {
                let $this = self;
                first($codes)
            }
        })*
    };
}

first_error! {
    ProduceResponse: |r| r.responses.iter().flat_map(|topic| topic.partition_responses.iter().map(|p| p.error_code));
    ListOffsetsResponse: |r| r.topics.iter().flat_map(|topic| topic.partitions.iter().map(|p| p.error_code));
    OffsetForLeaderEpochResponse: |r| r.topics.iter().flat_map(|topic| topic.partitions.iter().map(|p| p.error_code));
    DeleteRecordsResponse: |r| r.topics.iter().flat_map(|topic| topic.partitions.iter().map(|p| p.error_code));
    MetadataResponse: |r| r.topics.iter().map(|topic| topic.error_code);
    DescribeTopicPartitionsResponse: |r| r.topics.iter().map(|topic| topic.error_code);
    CreateTopicsResponse: |r| r.topics.iter().map(|topic| topic.error_code);
    DeleteTopicsResponse: |r| r.responses.iter().map(|topic| topic.error_code);
    CreatePartitionsResponse: |r| r.results.iter().map(|topic| topic.error_code);
    DescribeConfigsResponse: |r| r.results.iter().map(|resource| resource.error_code);
    AlterConfigsResponse: |r| r.responses.iter().map(|resource| resource.error_code);
    IncrementalAlterConfigsResponse: |r| r.responses.iter().map(|resource| resource.error_code);
    OffsetCommitResponse: |r| r.topics.iter().flat_map(|topic| topic.partitions.iter().map(|p| p.error_code));
    OffsetFetchResponse: |r| std::iter::once(r.error_code)
        .chain(r.groups.iter().map(|group| group.error_code))
        .chain(r.topics.iter().flat_map(|topic| topic.partitions.iter().map(|p| p.error_code)));
    OffsetDeleteResponse: |r| std::iter::once(r.error_code)
        .chain(r.topics.iter().flat_map(|topic| topic.partitions.iter().map(|p| p.error_code)));
    DescribeGroupsResponse: |r| r.groups.iter().map(|group| group.error_code);
    ConsumerGroupDescribeResponse: |r| r.groups.iter().map(|group| group.error_code);
    DeleteGroupsResponse: |r| r.results.iter().map(|group| group.error_code);
    LeaveGroupResponse: |r| std::iter::once(r.error_code).chain(r.members.iter().map(|member| member.error_code));
    JoinGroupResponse: |r| [r.error_code];
    SyncGroupResponse: |r| [r.error_code];
    HeartbeatResponse: |r| [r.error_code];
    ListGroupsResponse: |r| [r.error_code];
    ConsumerGroupHeartbeatResponse: |r| [r.error_code];
    ListConfigResourcesResponse: |r| [r.error_code];
    DescribeLogDirsResponse: |r| std::iter::once(r.error_code).chain(r.results.iter().map(|dir| dir.error_code));
    ElectLeadersResponse: |r| std::iter::once(r.error_code)
        .chain(r.replica_election_results.iter().flat_map(|topic| topic.partition_result.iter().map(|p| p.error_code)));
    AlterPartitionReassignmentsResponse: |r| std::iter::once(r.error_code)
        .chain(r.responses.iter().flat_map(|topic| topic.partitions.iter().map(|p| p.error_code)));
    ListPartitionReassignmentsResponse: |r| [r.error_code];
    DescribeProducersResponse: |r| r.topics.iter().flat_map(|topic| topic.partitions.iter().map(|p| p.error_code));
    InitProducerIdResponse: |r| [r.error_code];
    ApiVersionsResponse: |r| [r.error_code];
    DescribeClusterResponse: |r| [r.error_code];
    FindCoordinatorResponse: |r| std::iter::once(r.error_code).chain(r.coordinators.iter().map(|c| c.error_code));
}
