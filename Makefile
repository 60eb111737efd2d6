# What a person does here. README explains; .ci/run calls lint and test.
CARGO ?= cargo
PREFIX ?= /usr
DESTDIR ?=
TARGET = $${CARGO_TARGET_DIR:-target}

.PHONY: build run test lint bench install man

build:
	$(CARGO) build --release --locked

# Checks this machine. An incomplete check (exit status 3) says what it could not judge; it is a result all the same.
run: build
	@"$(TARGET)/release/unstale"; status=$$?; [ $$status -eq 0 ] || [ $$status -eq 3 ]

test:
	tests/run.sh

lint:
	tests/lint.sh

bench:
	benches/run.sh

# dist/ is laid out as it is installed.
install: build
	install -D -m 755 "$(TARGET)/release/unstale" "$(DESTDIR)$(PREFIX)/bin/unstale"
	cd dist/usr && find . -type f -exec install -D -m 644 {} "$(DESTDIR)$(PREFIX)/{}" \;
	install -D -m 644 -t "$(DESTDIR)$(PREFIX)/share/doc/unstale" README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT

# The man page is made of the same definitions as --help; a test fails when it is out of date.
man:
	BLESS=1 $(CARGO) test --locked --test integration man::
