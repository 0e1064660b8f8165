-- +goose Up

-- What users are found by: an entry for each word of their names, and one for
-- the whole display name, each with all of their names folded, so that what has
-- several words is decided without looking elsewhere.
--
-- derived_: made out of the profiles, and made anew where it is not there.
CREATE TABLE derived_user_entries (
    word     TEXT NOT NULL,
    username TEXT NOT NULL,
    names    TEXT NOT NULL,
    PRIMARY KEY (word, username)
) WITHOUT ROWID, STRICT;

-- The words of all entries but whole names, each once, for those that are
-- misspelt: by their length in letters, what they begin and what they end with.
-- The last six bits of id are the length, 63 for all that are longer.
CREATE TABLE derived_user_words (
    id       INTEGER PRIMARY KEY,
    size     INTEGER NOT NULL,
    word     TEXT    NOT NULL,
    reversed TEXT    NOT NULL,
    UNIQUE (size, word)
) STRICT;
CREATE INDEX derived_user_words_by_end ON derived_user_words (size, reversed);

-- What stands within words: their spellings, by the word's id. It keeps no text
-- besides, and what is taken out is cut out at once.
CREATE VIRTUAL TABLE derived_user_trigrams
    USING fts5(spelling, content = '', detail = 'none', columnsize = 0, tokenize = 'trigram');
INSERT INTO derived_user_trigrams (derived_user_trigrams, rank) VALUES ('secure-delete', 1);

-- The last user that was taken in, and of which edition that is; all are when
-- done is 1. An index of another edition is begun anew.
CREATE TABLE derived_user_indexed (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    last    BLOB    NOT NULL,
    edition TEXT    NOT NULL,
    done    INTEGER NOT NULL
) STRICT;
INSERT INTO derived_user_indexed (id, last, edition, done) VALUES (1, x'', '', 0);

-- Which these take the place of.
DROP TABLE user_terms;
