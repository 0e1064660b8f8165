-- +goose Up

CREATE TABLE auth_accounts (
    id            BYTEA  NOT NULL PRIMARY KEY,
    email         TEXT   NOT NULL,
    email_key     TEXT   NOT NULL CONSTRAINT auth_accounts_email_key UNIQUE,
    username      TEXT   NOT NULL CONSTRAINT auth_accounts_username_key UNIQUE,
    role          TEXT   NOT NULL,
    state         TEXT   NOT NULL,
    password_hash TEXT   NOT NULL,
    created_at    BIGINT NOT NULL
);

-- A session that ended is gone; why is in auth_changes.
CREATE TABLE auth_sessions (
    id                 BYTEA  NOT NULL PRIMARY KEY,
    user_id            BYTEA  NOT NULL REFERENCES auth_accounts (id),
    device             TEXT   NOT NULL,
    address            TEXT   NOT NULL,
    created_at         BIGINT NOT NULL,
    last_used_at       BIGINT NOT NULL,
    expires_at         BIGINT NOT NULL,
    ends_at            BIGINT NOT NULL,
    refresh_generation BIGINT NOT NULL,
    refresh_current    BYTEA  NOT NULL,
    refresh_parent     BYTEA,
    refresh_rotated_at BIGINT NOT NULL
);

CREATE INDEX auth_sessions_user ON auth_sessions (user_id, last_used_at);
CREATE INDEX auth_sessions_expiry ON auth_sessions (expires_at);

-- Where an account signed in from, as keyed hashes.
CREATE TABLE auth_networks (
    user_id BYTEA  NOT NULL REFERENCES auth_accounts (id),
    network BYTEA  NOT NULL,
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (user_id, network)
);

CREATE INDEX auth_networks_seen ON auth_networks (seen_at);

CREATE TABLE auth_keys (
    id        BYTEA  NOT NULL PRIMARY KEY,
    public    BYTEA  NOT NULL,
    sealed    BYTEA  NOT NULL,
    used_from BIGINT NOT NULL
);

-- The change log. Who adds to it holds the one row of auth_position until its
-- commit, so that entries become visible in their order.
CREATE TABLE auth_changes (
    pos     BIGINT NOT NULL PRIMARY KEY,
    name    TEXT   NOT NULL,
    key     TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    payload BYTEA  NOT NULL
);

CREATE TABLE auth_position (
    id  INTEGER NOT NULL PRIMARY KEY,
    pos BIGINT  NOT NULL
);

INSERT INTO auth_position (id, pos) VALUES (1, 0);
