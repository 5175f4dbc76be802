-- The parts of extent_by_segment were built one by one, while commits went on.
ALTER INDEX extent_by_segment ATTACH PARTITION extent_0_by_segment;
ALTER INDEX extent_by_segment ATTACH PARTITION extent_1_by_segment;
ALTER INDEX extent_by_segment ATTACH PARTITION extent_2_by_segment;
ALTER INDEX extent_by_segment ATTACH PARTITION extent_3_by_segment;
ALTER INDEX extent_by_segment ATTACH PARTITION extent_4_by_segment;
ALTER INDEX extent_by_segment ATTACH PARTITION extent_5_by_segment;
ALTER INDEX extent_by_segment ATTACH PARTITION extent_6_by_segment;
ALTER INDEX extent_by_segment ATTACH PARTITION extent_7_by_segment;
