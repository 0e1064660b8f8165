-- +goose Up

-- The audit log. Rows are added and, when they are old, forgotten; nothing
-- changes them. Of people they have identifiers only.
CREATE TABLE auth_audit (
    id         BYTEA  NOT NULL PRIMARY KEY,
    action     TEXT   NOT NULL,
    actor_id   BYTEA,
    target_id  BYTEA,
    session_id BYTEA,
    invite_id  BYTEA,
    token_id   BYTEA,
    detail     TEXT   NOT NULL,
    address    TEXT   NOT NULL,
    device     TEXT   NOT NULL,
    request_id TEXT   NOT NULL,
    at         BIGINT NOT NULL
);

CREATE INDEX auth_audit_actor ON auth_audit (actor_id, id);
CREATE INDEX auth_audit_target ON auth_audit (target_id, id);
CREATE INDEX auth_audit_at ON auth_audit (at);

-- Invitations to the server. email is whom one is for; empty: anybody, or that
-- it was used. revoked_at 0: not revoked.
CREATE TABLE auth_invites (
    id         BYTEA  NOT NULL PRIMARY KEY,
    code_hash  BYTEA  NOT NULL CONSTRAINT auth_invites_code_key UNIQUE,
    email      TEXT   NOT NULL,
    email_key  TEXT   NOT NULL,
    role       TEXT   NOT NULL,
    creator_id BYTEA,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    max_uses   BIGINT NOT NULL,
    uses       BIGINT NOT NULL,
    revoked_at BIGINT NOT NULL
);

CREATE INDEX auth_invites_expiry ON auth_invites (expires_at);

CREATE INDEX auth_accounts_admins ON auth_accounts (id) WHERE role = 'ADMIN';
