-- +goose Up

-- Accounts that were deleted, with a keyed hash of the name that each had, so
-- that nobody else gets it. erased_at 0: some of what it left elsewhere may
-- still be there.
CREATE TABLE auth_deletions (
    user_id    BYTEA  NOT NULL PRIMARY KEY REFERENCES auth_accounts (id),
    name_hash  BYTEA  NOT NULL CONSTRAINT auth_deletions_name_key UNIQUE,
    deleted_at BIGINT NOT NULL,
    erased_at  BIGINT NOT NULL
);

CREATE INDEX auth_deletions_open ON auth_deletions (deleted_at) WHERE erased_at = 0;

-- What has names of a user in the log.
CREATE INDEX auth_changes_named ON auth_changes (key) WHERE name IN ('auth.account_registered.v1', 'auth.username_changed.v1');

CREATE INDEX auth_invites_creator ON auth_invites (creator_id);
CREATE INDEX auth_bots_owner ON auth_bots (owner_id);

-- What users asked to be given of their data. state is PENDING, READY or
-- FAILED; the bytes are a file by the id. expires_at 0: it is not made yet.
CREATE TABLE auth_exports (
    id         BYTEA  NOT NULL PRIMARY KEY,
    user_id    BYTEA  NOT NULL REFERENCES auth_accounts (id),
    state      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    size       BIGINT NOT NULL,
    tries      BIGINT NOT NULL
);

CREATE INDEX auth_exports_user ON auth_exports (user_id, id);
CREATE INDEX auth_exports_pending ON auth_exports (id) WHERE state = 'PENDING';
CREATE INDEX auth_exports_expiry ON auth_exports (expires_at) WHERE expires_at > 0;
