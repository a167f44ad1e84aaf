/*
 * Copyright (C) the Warren authors
 *
 * A connection that is none: statements are kept and answered as a test said
 * beforehand.
 */

#ifndef WARREN_DB_STUB_H
#define WARREN_DB_STUB_H


#include <stddef.h>


struct wr_arena;
struct wr_db;


/* Makes a database that was never opened a stub, or forgets what a stub was
   told and asked; arena owns what it keeps from now on. */
void wr_db_stub(struct wr_db *db, struct wr_arena *arena);

/* What the next statement with sql in its text gives; the same text again
   stands for the one after that.  values are copied. */
void wr_db_stub_rows(struct wr_db *db, const char *sql, int nrows,
    int ncolumns, const char *const *values);

/* The next statement with sql in its text fails. */
void wr_db_stub_break(struct wr_db *db, const char *sql,
    const char *sqlstate);

/* How many statements had sql in their text, and a parameter of the last of
   them, counted from 1; NULL: none or null. */
size_t wr_db_stub_count(const struct wr_db *db, const char *sql);
const char *wr_db_stub_param(const struct wr_db *db, const char *sql,
    int number);


#endif /* WARREN_DB_STUB_H */
