-- +goose Up
CREATE TABLE relay_positions (
    name TEXT    NOT NULL PRIMARY KEY,
    pos  BIGINT  NOT NULL,
    term BIGINT  NOT NULL,
    beat BIGINT  NOT NULL,
    free INTEGER NOT NULL
);
