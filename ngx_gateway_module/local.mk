# The module, made by nginx's own configure and make in the build tree.  Its
# files are listed in the script "config", as nginx wants it.

MODULE_SO = ngx_gateway_module/objs/ngx_http_gateway_module.so

if MODULE

all-local: module

# nginx's Makefile knows what depends on what: ask it each time
module: ngx_gateway_module/objs/Makefile
	$(AM_V_at)$(MAKE) -s -C ngx_gateway_module/nginx \
	    -f $(abs_builddir)/ngx_gateway_module/objs/Makefile modules

ngx_gateway_module/objs/Makefile: $(srcdir)/ngx_gateway_module/config \
	    $(srcdir)/ngx_gateway_module/configure config.status
	$(AM_V_GEN)NGINX='$(NGINX)' NGINX_SRC='$(NGINX_SRC)' CC='$(CC)' \
	    MODULE_CFLAGS='$(MODULE_CFLAGS)' MODULE_LIBS='$(MODULE_LIBS)' \
	    MODULE_CC_OPT='$(CPPFLAGS) $(CFLAGS) $(WARNING_CFLAGS) $(HARDEN_CFLAGS)' \
	    MODULE_LD_OPT='$(LDFLAGS) $(HARDEN_LDFLAGS)' \
	    bash $(srcdir)/ngx_gateway_module/configure \
	        '$(abs_srcdir)/ngx_gateway_module' \
	        '$(abs_builddir)/ngx_gateway_module'

install-exec-local: module
	$(MKDIR_P) "$(DESTDIR)$(NGINX_MODULES_DIR)"
	$(INSTALL) -m 644 $(MODULE_SO) "$(DESTDIR)$(NGINX_MODULES_DIR)/"

uninstall-hook:
	rm -f "$(DESTDIR)$(NGINX_MODULES_DIR)/ngx_http_gateway_module.so"

endif

clean-local:
	rm -rf ngx_gateway_module/objs ngx_gateway_module/nginx \
	    ngx_gateway_module/configure.log

examplesdir = $(docdir)/examples
dist_examples_DATA = ngx_gateway_module/conf/nginx.conf

# what nginx serves to browsers: the shop, and the reference of the API

warrenhtmldir = $(datadir)/warren/html
dist_warrenhtml_DATA = ngx_gateway_module/html/docs.html \
	ngx_gateway_module/html/docs.js ngx_gateway_module/html/icon.svg \
	ngx_gateway_module/html/index.html ngx_gateway_module/html/openapi.json \
	ngx_gateway_module/html/shop.css ngx_gateway_module/html/shop.js

.PHONY: module
