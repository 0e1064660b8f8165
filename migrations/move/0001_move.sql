-- +goose Up

-- Which copy is being made into this database, or was made. Parts names what
-- of the source comes here.
CREATE TABLE move_state (
    id     INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    copy   TEXT    NOT NULL,
    target TEXT    NOT NULL,
    parts  TEXT    NOT NULL,
    state  TEXT    NOT NULL,
    at     BIGINT  NOT NULL
);
