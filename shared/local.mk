# The runtime library of the workers: libwarren, its headers, warren.pc.
# One file a line, sorted.

warrenincludedir = $(includedir)/warren

# the contract with programs outside of this tree
warreninclude_HEADERS = \
	shared/arena.h \
	shared/clock.h \
	shared/id.h \
	shared/json.h \
	shared/key.h \
	shared/log.h \
	shared/page.h \
	shared/pg_array.h \
	shared/request.h \
	shared/service.h \
	shared/settings.h \
	shared/tx.h \
	shared/warren.h \
	shared/wire.h \
	shared/wire_error.def \
	shared/wr_test.h

EXTRA_DIST += shared/warren.pc.in

pkgconfigdir = $(libdir)/pkgconfig
nodist_pkgconfig_DATA = shared/warren.pc

lib_LTLIBRARIES += libwarren.la

libwarren_la_SOURCES = \
	shared/admin.c \
	shared/admin.h \
	shared/announce.c \
	shared/arena.c \
	shared/ask.c \
	shared/ask_shared.c \
	shared/ask_shared.h \
	shared/batch.c \
	shared/batch.h \
	shared/broker.c \
	shared/broker.h \
	shared/broker_consume.c \
	shared/broker_dispatch.c \
	shared/broker_message.c \
	shared/broker_private.h \
	shared/broker_publish.c \
	shared/broker_tls.c \
	shared/broker_version.c \
	shared/clock.c \
	shared/clock.h \
	shared/crash.c \
	shared/crash.h \
	shared/db.c \
	shared/db.h \
	shared/db_check.c \
	shared/db_pipeline.c \
	shared/db_private.h \
	shared/db_rows.c \
	shared/db_stub.c \
	shared/db_stub.h \
	shared/db_version.c \
	shared/dead_letter.c \
	shared/dead_letter.h \
	shared/debug.c \
	shared/debug.h \
	shared/decode.c \
	shared/digest.c \
	shared/digest.h \
	shared/dispatch.c \
	shared/dispatch.h \
	shared/gather.c \
	shared/gather.h \
	shared/history.c \
	shared/history.h \
	shared/housekeeping.c \
	shared/housekeeping.h \
	shared/id.c \
	shared/inbox.c \
	shared/inbox.h \
	shared/insert.c \
	shared/insert.h \
	shared/json.c \
	shared/json_private.h \
	shared/json_scan.c \
	shared/json_writer.c \
	shared/key.c \
	shared/key_private.h \
	shared/lane.c \
	shared/lane.h \
	shared/lane_private.h \
	shared/lane_queues.c \
	shared/lane_queues.h \
	shared/log.c \
	shared/log_private.h \
	shared/memory.c \
	shared/memory.h \
	shared/order.c \
	shared/order.h \
	shared/outbox.c \
	shared/outbox.h \
	shared/page.c \
	shared/pg_array.c \
	shared/pid_file.c \
	shared/pid_file.h \
	shared/reply.c \
	shared/request.c \
	shared/request_private.h \
	shared/retry.c \
	shared/retry.h \
	shared/service.c \
	shared/settings.c \
	shared/settings_cpus.c \
	shared/settings_private.h \
	shared/settings_runtime.c \
	shared/settings_value.c \
	shared/settle.c \
	shared/settle.h \
	shared/skew.c \
	shared/skew.h \
	shared/stats.c \
	shared/stats.h \
	shared/stats_private.h \
	shared/stats_text.c \
	shared/supervisor.c \
	shared/supervisor.h \
	shared/supervisor_blame.c \
	shared/supervisor_dump.c \
	shared/supervisor_notify.c \
	shared/supervisor_private.h \
	shared/supervisor_watch.c \
	shared/timer.c \
	shared/timer.h \
	shared/turn.c \
	shared/turn.h \
	shared/tx.c \
	shared/utf8.h \
	shared/version.h \
	shared/work.c \
	shared/work.h \
	shared/wr_test.c \
	shared/wr_test_message.c \
	shared/wr_test_private.h \
	shared/wr_test_result.c \
	shared/wr_test_run.c \
	shared/wr_test_tap.c

libwarren_la_CPPFLAGS = $(AM_CPPFLAGS) \
	$(RABBITMQ_CFLAGS) $(PQ_CFLAGS) $(CJSON_CFLAGS) $(CRYPTO_CFLAGS) \
	$(MICROHTTPD_CFLAGS)

libwarren_la_LIBADD = $(RABBITMQ_LIBS) $(PQ_LIBS) $(CJSON_LIBS) \
	$(CRYPTO_LIBS) $(MICROHTTPD_LIBS) -lpthread -lm

# nothing is visible but what the installed headers declare
libwarren_la_LDFLAGS = $(HARDEN_LDFLAGS) -version-info 0:0:0 \
	-export-symbols shared/libwarren.sym

EXTRA_libwarren_la_DEPENDENCIES = shared/libwarren.sym
CLEANFILES += shared/libwarren.sym

shared/libwarren.sym: $(warreninclude_HEADERS)
	$(AM_V_GEN)$(MKDIR_P) shared && for header in $^; do \
	    $(SED) -n 's/.*\b\(wr_[a-z0-9_]*\) *(.*/\1/p' $$header; \
	done | sort -u > $@.new && mv $@.new $@


# manual pages: of each installed header one made from its comments, and a link
# to it for each function

EXTRA_DIST += shared/man/header2man.pl

dist_man3_MANS = shared/man/libwarren.3

nodist_man3_MANS = \
	shared/man/wr_arena.3 \
	shared/man/wr_clock.3 \
	shared/man/wr_id.3 \
	shared/man/wr_json.3 \
	shared/man/wr_key.3 \
	shared/man/wr_log.3 \
	shared/man/wr_page.3 \
	shared/man/wr_pg_array.3 \
	shared/man/wr_request.3 \
	shared/man/wr_service.3 \
	shared/man/wr_settings.3 \
	shared/man/wr_test.3 \
	shared/man/wr_tx.3 \
	shared/man/wr_wire.3

CLEANFILES += $(nodist_man3_MANS)

header2man = $(srcdir)/shared/man/header2man.pl

header_page = $(AM_V_GEN)$(MKDIR_P) shared/man \
	&& $(PERL) $(header2man) $(PACKAGE_VERSION) $< >$@.new && mv $@.new $@

shared/man/wr_test.3: shared/wr_test.h $(header2man)
	$(header_page)

shared/man/wr_%.3: shared/%.h $(header2man)
	$(header_page)

# "page function" lines
nodist_noinst_DATA += shared/man/links
CLEANFILES += shared/man/links

shared/man/links: $(warreninclude_HEADERS) $(header2man)
	$(AM_V_GEN)$(MKDIR_P) shared/man \
	    && $(PERL) $(header2man) --functions $(filter %.h,$^) >$@.new \
	    && mv $@.new $@
