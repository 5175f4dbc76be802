-- All sequences of the producer's epoch from 0 on were appended: those below the remembered runs as well. Of
-- producers from before this column nobody knows.
ALTER TABLE producer_partition ADD COLUMN from_zero INTEGER NOT NULL DEFAULT 0;
