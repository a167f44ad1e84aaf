# Tests.  C unit tests print TAP; prove runs them with all the others.
#
# A unit test is one line, sorted: its name without ".c".  One of several files,
# or with another library, says so below, as t_10_unit_test_foo_SOURCES and
# t_10_unit_test_foo_LDADD = $(LDADD) $(THAT_LIBS).

UNIT_TESTS = \
	t/10-unit/test_arena \
	t/10-unit/test_bench_answer \
	t/10-unit/test_bench_histogram \
	t/10-unit/test_clock \
	t/10-unit/test_digest \
	t/10-unit/test_dispatch \
	t/10-unit/test_gateway_json \
	t/10-unit/test_gcra \
	t/10-unit/test_id \
	t/10-unit/test_json \
	t/10-unit/test_jwt_claim \
	t/10-unit/test_jwt_document \
	t/10-unit/test_jwt_revoked \
	t/10-unit/test_jwt_token \
	t/10-unit/test_limit_message \
	t/10-unit/test_log \
	t/10-unit/test_notifications_address \
	t/10-unit/test_pg_array \
	t/10-unit/test_settings \
	t/10-unit/test_settings_cpus \
	t/10-unit/test_skew \
	t/10-unit/test_stats \
	t/10-unit/test_wire \
	t/10-unit/test_wr_test

check_PROGRAMS += $(UNIT_TESTS)

# parts of what measures
BENCH_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/t/60-bench

t_10_unit_test_bench_answer_CPPFLAGS = $(BENCH_CPPFLAGS)
t_10_unit_test_bench_answer_SOURCES = \
	t/10-unit/test_bench_answer.c t/60-bench/answer.c
t_10_unit_test_bench_histogram_CPPFLAGS = $(BENCH_CPPFLAGS)
t_10_unit_test_bench_histogram_SOURCES = \
	t/10-unit/test_bench_histogram.c t/60-bench/histogram.c

# pure parts of workers
t_10_unit_test_notifications_address_CPPFLAGS = $(AM_CPPFLAGS) \
	-I$(top_srcdir)/workers/notifications
t_10_unit_test_notifications_address_SOURCES = \
	t/10-unit/test_notifications_address.c \
	workers/notifications/notifications_address.c

# the module's pure parts
HTTP_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/ngx_gateway_module/http

t_10_unit_test_gateway_json_CPPFLAGS = $(HTTP_CPPFLAGS)
t_10_unit_test_gateway_json_SOURCES = \
	t/10-unit/test_gateway_json.c \
	ngx_gateway_module/http/ngx_http_gateway_json.c
t_10_unit_test_gcra_CPPFLAGS = $(HTTP_CPPFLAGS)
t_10_unit_test_limit_message_CPPFLAGS = $(HTTP_CPPFLAGS)
t_10_unit_test_jwt_claim_CPPFLAGS = $(HTTP_CPPFLAGS) $(JANSSON_CFLAGS)
t_10_unit_test_jwt_claim_LDADD = $(LDADD) $(JANSSON_LIBS)
t_10_unit_test_jwt_claim_SOURCES = \
	t/10-unit/test_jwt_claim.c \
	ngx_gateway_module/http/ngx_http_gateway_jwt_claim.c \
	ngx_gateway_module/http/ngx_http_gateway_jwt_document.c \
	ngx_gateway_module/http/ngx_http_gateway_jwt_token.c

t_10_unit_test_jwt_document_CPPFLAGS = $(HTTP_CPPFLAGS) $(JANSSON_CFLAGS)
t_10_unit_test_jwt_document_LDADD = $(LDADD) $(JANSSON_LIBS)
t_10_unit_test_jwt_document_SOURCES = \
	t/10-unit/test_jwt_document.c \
	ngx_gateway_module/http/ngx_http_gateway_jwt_document.c

t_10_unit_test_jwt_revoked_CPPFLAGS = $(HTTP_CPPFLAGS)
t_10_unit_test_jwt_revoked_SOURCES = \
	t/10-unit/test_jwt_revoked.c \
	ngx_gateway_module/http/ngx_http_gateway_jwt_revoked_set.c

t_10_unit_test_jwt_token_CPPFLAGS = $(HTTP_CPPFLAGS) $(JANSSON_CFLAGS)
t_10_unit_test_jwt_token_LDADD = $(LDADD) $(JANSSON_LIBS)
t_10_unit_test_jwt_token_SOURCES = \
	t/10-unit/test_jwt_token.c \
	ngx_gateway_module/http/ngx_http_gateway_jwt_document.c \
	ngx_gateway_module/http/ngx_http_gateway_jwt_token.c

# signs tokens with libjwt
check_PROGRAMS += t/20-module/sign_token

t_20_module_sign_token_CPPFLAGS = $(AM_CPPFLAGS) $(JWT_CFLAGS)
t_20_module_sign_token_LDADD = $(JWT_LIBS)

# what measures; no part of an installation
BENCH_TOOLS = \
	t/60-bench/limit \
	t/60-bench/load \
	t/60-bench/sign_tokens

check_PROGRAMS += $(BENCH_TOOLS)

t_60_bench_limit_CPPFLAGS = $(AM_CPPFLAGS) $(RABBITMQ_CFLAGS)
t_60_bench_limit_LDADD = $(RABBITMQ_LIBS)
t_60_bench_limit_SOURCES = \
	t/60-bench/figures.c \
	t/60-bench/histogram.c \
	t/60-bench/limit.c \
	t/60-bench/link.c

t_60_bench_load_LDADD =
t_60_bench_load_SOURCES = \
	t/60-bench/answer.c \
	t/60-bench/figures.c \
	t/60-bench/histogram.c \
	t/60-bench/load.c \
	t/60-bench/load_options.c

t_60_bench_sign_tokens_CPPFLAGS = $(AM_CPPFLAGS) $(CRYPTO_CFLAGS)
t_60_bench_sign_tokens_LDADD = $(CRYPTO_LIBS)

bench-programs: $(BENCH_TOOLS)

# workers that only tests run
check_PROGRAMS += \
	t/30-worker/echo_worker \
	t/30-worker/hot_worker \
	t/30-worker/relay_worker \
	t/30-worker/step_worker \
	t/30-worker/stub_worker \
	t/30-worker/tick_worker


# make check is what needs no server: unit tests, and lint in a checkout (a
# distribution has folders that make put there)

check-local: $(check_PROGRAMS)
	@if [ '$(PROVE)' = no ]; then \
	    echo 'prove is missing (Debian: perl)' >&2; exit 1; \
	fi; \
	cd $(srcdir) && lint= && if [ -e .git ]; then lint=t/00-lint; fi; \
	WARREN_BUILD='$(abs_builddir)' $(PROVE) -It/lib \
	    $$lint $(UNIT_TESTS:%=$(abs_builddir)/%)

# kill -9 at random steps, by default a thousand times, with servers of its own:
# t/50-system/kills.t, which a run of all tests does fifty times

check-kills: all $(check_PROGRAMS)
	cd $(srcdir) && KILLS="$${KILLS:-1000}" WARREN_TEST_SECONDS=7200 \
	    WARREN_BUILD='$(abs_builddir)' $(PROVE) -It/lib -v \
	    t/50-system/kills.t

# a storm of orders while workers are killed in turn: t/50-system/storm.t, which
# a run of all tests does with three hundred

check-storm: all $(check_PROGRAMS)
	cd $(srcdir) && STORM="$${STORM:-5000}" WARREN_TEST_SECONDS=7200 \
	    WARREN_BUILD='$(abs_builddir)' $(PROVE) -It/lib -v \
	    t/50-system/storm.t

# FUZZ_SECONDS for each target: make fuzz FUZZ_SECONDS=60
fuzz:
	@cd $(srcdir) && WARREN_BUILD='$(abs_builddir)' \
	    FUZZ_SECONDS='$(FUZZ_SECONDS)' $(PROVE) -It/lib t/70-fuzz

FUZZ_SECONDS = 60

# for ./dev: the programs that prove runs, built and named
unit-tests: $(check_PROGRAMS)

print-unit-tests:
	@for test in $(UNIT_TESTS); do echo "$(abs_builddir)/$$test"; done

.PHONY: bench-programs check-kills check-storm fuzz unit-tests print-unit-tests
