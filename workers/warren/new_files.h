/*
 * Copyright (C) the Warren authors
 *
 * The files of a new worker.
 */

#ifndef WARREN_NEW_FILES_H
#define WARREN_NEW_FILES_H


struct new_plan;


/*
 * Reads all templates of a complete plan, then makes its directory, which must
 * not be there, and writes the files.  Returns 0, or -1 and the reason.
 */
int new_files_write(const struct new_plan *plan, const char **error_r);


#endif /* WARREN_NEW_FILES_H */
