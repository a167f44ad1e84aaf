/*
 * Copyright (C) the Warren authors
 *
 * Versions: Warren's own, and those of the libraries it was built with, each
 * told by the layer that alone may use it.
 */

#ifndef WARREN_VERSION_H
#define WARREN_VERSION_H


#ifdef HAVE_CONFIG_H
#include <config.h>
#endif


#ifdef PACKAGE_VERSION
#define WR_VERSION  PACKAGE_VERSION
#else
#define WR_VERSION  "unknown"
#endif


/* Room for "major.minor.patch". */
#define WR_VERSION_SIZE  48


/* Static texts, of the library that is loaded now. */
const char *wr_broker_library_version(void);
const char *wr_json_library_version(void);
const char *wr_admin_library_version(void);

/* libpq tells a number. */
void wr_db_library_version(char version_r[WR_VERSION_SIZE]);


#endif /* WARREN_VERSION_H */
