-- As drop_archived_v2: what an agent of an earlier release calls releases archive segments under the same locks.
CREATE OR REPLACE FUNCTION drop_archived_v1(p_limit bigint) RETURNS bigint
LANGUAGE plpgsql
AS $function$
BEGIN
    RETURN drop_archived_v2(p_limit);
END
$function$;
