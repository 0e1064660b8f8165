-- +goose Up
CREATE TABLE user_profiles (
    id                BYTEA  NOT NULL PRIMARY KEY,
    username          TEXT   NOT NULL UNIQUE,
    display_name      TEXT   NOT NULL,
    bio               TEXT   NOT NULL DEFAULT '',
    status_text       TEXT   NOT NULL DEFAULT '',
    status_emoji      TEXT   NOT NULL DEFAULT '',
    status_expires_at BIGINT,
    time_zone         TEXT   NOT NULL DEFAULT '',
    locale            TEXT   NOT NULL DEFAULT '',
    created_at        BIGINT NOT NULL,
    updated_at        BIGINT NOT NULL
);

-- What profiles are found by. Terms are compared by their bytes.
CREATE TABLE user_terms (
    term    TEXT  NOT NULL,
    user_id BYTEA NOT NULL REFERENCES user_profiles (id) ON DELETE CASCADE,
    PRIMARY KEY (term, user_id)
);
CREATE INDEX user_terms_by_user ON user_terms (user_id, term);

-- The log, in the order of commits: who writes to it first raises the position.
CREATE TABLE user_changes (
    pos     BIGINT NOT NULL PRIMARY KEY,
    name    TEXT   NOT NULL,
    key     TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    payload BYTEA  NOT NULL
);
CREATE TABLE user_position (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    pos BIGINT  NOT NULL
);
INSERT INTO user_position (one, pos) VALUES (1, 0);
