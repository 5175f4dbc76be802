//! What every double of a metastore passes on as it is.

/// Passes on what upkeep asks: `pass_on_upkeep!(Double)`, whose field `inner` is the metastore behind it.
#[macro_export]
macro_rules! pass_on_upkeep {
    ($double:ty) => {
        #[async_trait::async_trait]
        impl esker_metastore::Archives for $double {
            async fn claim_job(
                &self,
                job: &str,
                incarnation: esker_model::IncarnationId,
                lease_ms: i64,
            ) -> esker_metastore::Result<bool> {
                self.inner.claim_job(job, incarnation, lease_ms).await
            }

            async fn waiting_segments(
                &self,
                bytes_max: u64,
                segments_max: usize,
            ) -> esker_metastore::Result<Vec<esker_metastore::WaitingSegment>> {
                self.inner.waiting_segments(bytes_max, segments_max).await
            }

            async fn unarchived(
                &self,
                segments: &[esker_model::SegmentId],
            ) -> esker_metastore::Result<Vec<(esker_model::PartitionKey, esker_metastore::Extent)>> {
                self.inner.unarchived(segments).await
            }

            async fn archive(
                &self,
                request: &esker_metastore::ArchiveRequest,
            ) -> esker_metastore::Result<Vec<bool>> {
                self.inner.archive(request).await
            }

            async fn release(
                &self,
                segments: &[esker_model::SegmentId],
            ) -> esker_metastore::Result<Vec<bool>> {
                self.inner.release(segments).await
            }

            async fn unneeded(
                &self,
                grace_ms: i64,
                limit: usize,
            ) -> esker_metastore::Result<Vec<esker_model::SegmentId>> {
                self.inner.unneeded(grace_ms, limit).await
            }

            async fn forget_segments(
                &self,
                segments: &[esker_model::SegmentId],
            ) -> esker_metastore::Result<()> {
                self.inner.forget_segments(segments).await
            }

            async fn empty_buckets(&self) -> esker_metastore::Result<u64> {
                self.inner.empty_buckets().await
            }
        }

        #[async_trait::async_trait]
        impl esker_metastore::Retention for $double {
            async fn retain(
                &self,
                requests: &[esker_metastore::RetainRequest],
            ) -> esker_metastore::Result<Vec<(esker_model::PartitionKey, esker_metastore::Head)>> {
                self.inner.retain(requests).await
            }

            async fn advance_log_start(
                &self,
                starts: &[(esker_model::PartitionKey, i64)],
            ) -> esker_metastore::Result<Vec<Option<esker_metastore::Head>>> {
                self.inner.advance_log_start(starts).await
            }

            async fn drop_archived(&self, limit: usize) -> esker_metastore::Result<u64> {
                self.inner.drop_archived(limit).await
            }
        }
    };
}
