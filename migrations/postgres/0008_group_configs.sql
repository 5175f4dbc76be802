-- Configs of groups, whether the groups are there or not. New tables only: nobody in operation waits for anything.

-- A group without any has no row. Changed under the lock of the cluster's row, as all of the catalog.
CREATE TABLE group_config (
    group_id bytea  PRIMARY KEY,
    configs  jsonb  NOT NULL,
    version  bigint NOT NULL                         -- catalog version of the last change
);

CREATE INDEX group_config_by_version ON group_config (version);

-- Catalog version at which a group lost its last config: who knows less is told of all groups anew. So nothing is left
-- of groups without configs. A column of the cluster's row would have waited for whoever writes there.
CREATE TABLE group_config_emptied (
    one     boolean PRIMARY KEY DEFAULT true CHECK (one),
    version bigint  NOT NULL
);

INSERT INTO group_config_emptied (version) VALUES (0);
