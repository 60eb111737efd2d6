# What a person does here. README explains; .ci/run calls lint and test.
CARGO ?= cargo
PREFIX ?= /usr
DESTDIR ?=
TARGET = $${CARGO_TARGET_DIR:-target}

# Each is a crate `unstale-NAME`, and becomes `NAME.so`.
DETECTORS = python perl ruby java nodejs php shell docker podman containerd lxc incus nspawn snap flatpak qemu

.PHONY: build plugins run test lint bench install man

build:
	$(CARGO) build --release --locked

plugins:
	$(CARGO) build --release --locked $(DETECTORS:%=-p unstale-%)
	for name in $(DETECTORS); do \
		install -D -m 644 "$(TARGET)/release/libunstale_$$name.so" "$(TARGET)/plugins/$$name.so" || exit; \
	done

# Checks this machine. An incomplete check (exit status 3) says what it could not judge; it is a result all the same.
# The plugins are copied to where nobody but the caller can write: a checkout may be somebody else's than root's.
run: build plugins
	@trusted=$$(mktemp -d) && trap 'rm -rf "$$trusted"' EXIT && cp "$(TARGET)"/plugins/*.so "$$trusted"; \
	"$(TARGET)/release/unstale" --plugin-dir "$$trusted"; status=$$?; [ $$status -eq 0 ] || [ $$status -eq 3 ]

test:
	tests/run.sh

lint:
	tests/lint.sh

bench:
	benches/run.sh

# dist/ is laid out as it is installed.
install: build plugins
	install -D -m 755 "$(TARGET)/release/unstale" "$(DESTDIR)$(PREFIX)/bin/unstale"
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/lib/unstale/plugins" "$(TARGET)"/plugins/*.so
	cd dist/usr && find . -type f -exec install -D -m 644 {} "$(DESTDIR)$(PREFIX)/{}" \;
	cd dist/etc && find . -type f -exec install -D -m 644 {} "$(DESTDIR)/etc/{}" \;
	chmod 755 "$(DESTDIR)"/etc/kernel/post*.d/zz-unstale
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/doc/unstale" README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/doc/unstale/docs" docs/*.md

# The man page is made of the same definitions as --help; a test fails when it is out of date.
man:
	BLESS=1 $(CARGO) test --locked --test integration man::
