-- +goose Up

-- How somebody wants to be seen (ONLINE: as his sockets say), and when he was
-- last active as others may know it. Who never chose and never went has no row.
CREATE TABLE user_presence (
    user_id        BYTEA  NOT NULL PRIMARY KEY REFERENCES user_profiles (id) ON DELETE CASCADE,
    choice         TEXT   NOT NULL,
    last_active_at BIGINT NOT NULL
);
