-- Segments whose objects are gone before their incarnation has settled them: their rows stay in state 4.
CREATE INDEX segment_gone ON segment (incarnation, seq) WHERE state = 4;
