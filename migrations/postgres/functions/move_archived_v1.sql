-- As move_archived_v2: what an agent of an earlier release calls leaves alone what lies below the log start, too.
CREATE OR REPLACE FUNCTION move_archived_v1(
    p_epoch integer, p_system bigint, p_timeline integer, p_incarnation uuid,
    p_topic integer[], p_partition integer[], p_from bigint[], p_to bigint[],
    p_of integer[], p_base bigint[], p_end bigint[], p_kind smallint[], p_key_epoch integer[],
    p_key_incarnation uuid[], p_seq bigint[], p_object_bytes bigint[], p_position bigint[], p_bytes bigint[],
    p_max_timestamp bigint[], p_chunk_position bigint[], p_chunk_bytes bigint[], p_chunk_crc bigint[],
    OUT o_accepted boolean[]
)
LANGUAGE plpgsql
AS $function$
BEGIN
    o_accepted := move_archived_v2(
        p_epoch, p_system, p_timeline, p_incarnation, p_topic, p_partition, p_from, p_to, p_of, p_base, p_end,
        p_kind, p_key_epoch, p_key_incarnation, p_seq, p_object_bytes, p_position, p_bytes, p_max_timestamp,
        p_chunk_position, p_chunk_bytes, p_chunk_crc);
END
$function$;
