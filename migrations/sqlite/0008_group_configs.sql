-- Configs of groups, whether the groups are there or not. A group without any has no row.
CREATE TABLE group_config (
    id      TEXT    PRIMARY KEY,
    configs TEXT    NOT NULL,
    -- Catalog version of the last change.
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX group_config_version ON group_config (version);

-- Catalog version at which a group lost its last config: who knows less is told of all groups anew. So nothing is left
-- of groups without configs.
ALTER TABLE cluster ADD COLUMN group_configs_emptied INTEGER NOT NULL DEFAULT 0;
