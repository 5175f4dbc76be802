-- As archived_in_v2: what an agent of an earlier release is told can be moved by what it calls.
CREATE OR REPLACE FUNCTION archived_in_v1(p_incarnation uuid[], p_seq bigint[])
RETURNS TABLE (
    o_topic_id integer, o_partition integer, o_kind smallint, o_base_offset bigint, o_end_offset bigint,
    o_epoch integer, o_incarnation uuid, o_seq bigint, o_object_bytes bigint, o_position bigint, o_bytes bigint,
    o_max_timestamp bigint, o_chunk_position bigint, o_chunk_bytes bigint, o_chunk_crc bigint,
    o_producer_id bigint, o_producer_epoch smallint, o_transactional boolean
)
LANGUAGE plpgsql STABLE
AS $function$
BEGIN
    RETURN QUERY
    SELECT * FROM archived_in_v2(p_incarnation, p_seq) a ORDER BY a.o_topic_id, a.o_partition, a.o_base_offset;
END
$function$;
