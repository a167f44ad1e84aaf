# Tests.  C unit tests print TAP; prove runs them with all the others.  One
# line each: check_PROGRAMS, then its source if it is not test_<subject>.c.
#
# They carry all of libwarren (-static), its private functions too.

TEST_LDFLAGS = $(AM_LDFLAGS) -static

UNIT_TESTS =

check_PROGRAMS += $(UNIT_TESTS)


# make check is what needs no server: lint and unit tests

check-local: $(check_PROGRAMS)
	@if [ '$(PROVE)' = no ]; then \
	    echo 'prove is missing (Debian: perl)' >&2; exit 1; \
	fi; \
	cd $(srcdir) && WARREN_BUILD='$(abs_builddir)' $(PROVE) -It/lib \
	    t/00-lint $(UNIT_TESTS:%=$(abs_builddir)/%)
