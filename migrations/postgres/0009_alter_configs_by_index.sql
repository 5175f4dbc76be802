-- Groups are found by the index. Once group_config had been emptied and analysed, the statements of a call went by a scan
-- of all rows that the call itself had added: minutes for some ten thousand groups, under the lock of the catalog.
ALTER FUNCTION alter_configs_v2(uuid[], bytea[], boolean[], text[], bigint) SET enable_seqscan = off;
ALTER FUNCTION alter_configs_v2(uuid[], bytea[], boolean[], text[], bigint) SET enable_bitmapscan = off;
