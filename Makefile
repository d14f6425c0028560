# assayd: gateway of a township rapid-test room.
#
#   make            build build/assayd, build/assayctl, build/assay-sim
#   make demo       instruments, broker, daemon and subscriber on this machine (DEMO_SECONDS=20 ends by itself)
#   make test       every test; ends with "N passed, N failed"
#   make bench      the budgets, measured beside their peers, as JSON lines
#   make fuzz       each fuzz target for FUZZ_SECONDS (60)
#   make kill-test  100 kills under load (KILLS=100)
#   make campaign   every row of the matrix of faults (hours; ROWS="S1 B9" runs some); campaign-smoke: in minutes
#   make tamper-test  10,000 tamperings and 1,000 honest exports, each before both verifiers
#   make coverage   line coverage by folder (needs a separate build, gcovr)
#   make check      formatting, static checks
#   make install    DESTDIR= PREFIX=/usr/local
#   make deps       what building needs; deps-test: what testing needs
#
# SAN=address,undefined or SAN=thread builds beside, in build-SAN/. V=1 shows the commands.

comma   := ,
PREFIX  ?= /usr/local
SAN     ?=
BUILD   ?= build$(if $(SAN),-$(subst $(comma),-,$(SAN)))
VERSION := 0.1.0

LIBS    := libserialport libmodbus jansson sqlite3 libssl libcrypto
CFLAGS  ?= -O2 -g
WARN    := -Wall -Wextra -Wconversion -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
HARDEN  := -fPIE -fstack-protector-strong -fstack-clash-protection
LHARDEN := -pie -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack
ifeq ($(shell uname -m),x86_64)
HARDEN  += -fcf-protection
endif
ifeq ($(SAN),)
HARDEN  += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$(if $(findstring clang,$(CC)),2,3)
else
HARDEN  += -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all
LHARDEN += -fsanitize=$(SAN)
endif
DEFINES := -D_GNU_SOURCE -DASSAYD_VERSION='"$(VERSION)"' -DASSAYD_DATADIR='"$(PREFIX)/share/assayd"' \
           -DASSAYD_LOCALEDIR='"$(PREFIX)/share/locale"' -DASSAYD_CONFDIR='"/etc/assayd"'
ALLC     = -std=gnu17 $(CFLAGS) $(WARN) $(HARDEN) $(DEFINES) -MMD -MP $(shell pkg-config --cflags $(LIBS) 2>/dev/null)
ALLL     = $(LHARDEN) $(LDFLAGS)
LDLIBS   = $(shell pkg-config --libs $(LIBS) 2>/dev/null) -lpaho-mqtt3as -lpthread

MAINS   := daemon/assayd.c daemon/assayctl.c
LIBSRC  := $(filter-out $(MAINS),$(wildcard daemon/*.c)) $(wildcard drivers/*.c)
SIMSRC  := $(wildcard tests/sim/*.c)
LIBOBJ  := $(LIBSRC:%.c=$(BUILD)/%.o)
UNITS   := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/test_*.c))
BENCHES := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*.c))
SHIMS   := $(patsubst %.c,$(BUILD)/%.so,$(wildcard tests/faults/*shim.c))
LOCALE  := $(BUILD)/locale/zh_CN/LC_MESSAGES/assayd.mo
PROGRAMS := $(patsubst daemon/%.c,$(BUILD)/%,$(wildcard $(MAINS))) $(if $(SIMSRC),$(BUILD)/assay-sim)

Q        = $(if $(V),,@)
say      = $(if $(V),,@echo "  $(1)  $@")

all: $(PROGRAMS) $(LOCALE)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,cc)
	$(Q)$(CC) $(ALLC) -c $< -o $@

# What is compiled in from the command line: another PREFIX than last time compiles its user anew.
$(BUILD)/prefix: FORCE
	@mkdir -p $(@D)
	@echo '$(PREFIX) $(VERSION)' | cmp -s - $@ || echo '$(PREFIX) $(VERSION)' >$@
$(BUILD)/daemon/paths.o: $(BUILD)/prefix
FORCE:

$(BUILD)/libassay.a: $(LIBOBJ)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BUILD)/assayd $(BUILD)/assayctl: $(BUILD)/%: $(BUILD)/daemon/%.o $(BUILD)/libassay.a
	$(call say,ld)
	$(Q)$(CC) $(ALLL) $^ $(LDLIBS) -o $@

$(BUILD)/assay-sim: $(SIMSRC:%.c=$(BUILD)/%.o) $(BUILD)/libassay.a
	$(call say,ld)
	$(Q)$(CC) $(ALLL) $^ $(LDLIBS) -o $@

$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(BUILD)/libassay.a
	$(call say,ld)
	$(Q)$(CC) $(ALLL) $^ $(LDLIBS) -lcmocka -o $@

# Waits of minutes pass at once: the test sets the clock forward. It counts what is looked at.
$(BUILD)/tests/unit/test_publisher_receipts: LHARDEN += -Wl,--wrap=clock_ms,--wrap=filter_passes
$(BUILD)/tests/unit/test_line: LHARDEN += -Wl,--wrap=clock_ms
# Whether a time service has set the clock is not the test machine's to say.
$(BUILD)/tests/unit/test_publisher_tls: LHARDEN += -Wl,--wrap=clock_synced
# The test says how much is free.
$(BUILD)/tests/unit/test_caretaker: LHARDEN += -Wl,--wrap=disk_look
# A seal comes in the middle of a commit.
$(BUILD)/tests/unit/test_seal: LHARDEN += -Wl,--wrap=store_commit
# The test asks SQLite how it would answer what the reader prepares.
$(BUILD)/tests/unit/test_journal_refused: LHARDEN += -Wl,--wrap=db_prepare
$(BUILD)/tests/unit/test_retests: LHARDEN += -Wl,--wrap=db_prepare_all
# The gateway records and seals behind what an export has seen.
$(BUILD)/tests/unit/test_export: LHARDEN += -Wl,--wrap=journal_reader_head
# The power goes before either of two, and the next start is later.
$(BUILD)/tests/unit/test_journal_aside: LHARDEN += -Wl,--wrap=rename,--wrap=unlink,--wrap=time

$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(BUILD)/libassay.a
	$(call say,ld)
	$(Q)$(CC) $(ALLL) $^ $(LDLIBS) -o $@

$(BUILD)/tests/faults/%.so: tests/faults/%.c
	@mkdir -p $(@D)
	$(call say,cc)
	$(Q)$(CC) -std=gnu17 -O2 $(WARN) -D_GNU_SOURCE -shared -fPIC $< -ldl -o $@

$(LOCALE): daemon/locale/zh_CN.po
	@mkdir -p $(@D)
	@if command -v msgfmt >/dev/null; then msgfmt --check -o $@ $<; else echo "msgfmt missing: no Chinese messages"; fi

units: $(UNITS)
benches: $(BENCHES)
shims: $(SHIMS)

deps:
	tests/deps build

deps-test:
	tests/deps build test

demo:
	@tests/deps build demo
	@$(MAKE) --no-print-directory all shims
	@/usr/bin/python3 tests/demo/demo.py $(BUILD)

test:
	@tests/deps build test
	@$(MAKE) --no-print-directory all units shims
	@tests/run $(BUILD)

bench:
	@tests/deps build test bench
	@$(MAKE) --no-print-directory all benches shims
	@/usr/bin/python3 tests/bench/bench.py $(BUILD)

kill-test: all shims
	/usr/bin/python3 tests/faults/kill.py --build $(BUILD) --kills $${KILLS:-100}

campaign: all units shims
	@tests/deps build test fuzz check faults
	-@tests/deps brokers # without them B9 and B14 say so, and are skipped
	tests/campaign/run --build $(BUILD) $(ROWS)

campaign-smoke: all units shims
	@tests/deps build test fuzz check faults
	tests/campaign/run --smoke --build $(BUILD) $(ROWS)

tamper-test: all shims
	TAMPERINGS=10000 TAMPERINGS_INDEPENDENT=10000 HONEST=1000 BUILD=$(BUILD) \
		/usr/bin/python3 -m pytest -q -p no:cacheprovider tests/e2e/test_evidence.py

FUZZ_SECONDS ?= 60
fuzz:
	@tests/deps build fuzz
	@tests/fuzz/run $(FUZZ_SECONDS)

coverage:
	tests/coverage

check:
	tests/check

install: all
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/assayd/profiles \
		$(DESTDIR)$(PREFIX)/share/assayd/maps
	install -m 0755 $(BUILD)/assayd $(DESTDIR)$(PREFIX)/sbin/
	install -m 0755 $(BUILD)/assayctl $(BUILD)/assay-sim $(DESTDIR)$(PREFIX)/bin/
	install -m 0644 config/profiles/*.conf $(DESTDIR)$(PREFIX)/share/assayd/profiles/
	install -m 0644 config/maps/* $(DESTDIR)$(PREFIX)/share/assayd/maps/
	cp -r config/contract $(DESTDIR)$(PREFIX)/share/assayd/
	install -m 0644 config/*.csv config/*.example config/README.md $(DESTDIR)$(PREFIX)/share/assayd/
	install -m 0644 config/profiles/README.md $(DESTDIR)$(PREFIX)/share/assayd/profiles/
	install -d $(DESTDIR)$(PREFIX)/share/doc/assayd
	install -m 0644 README.md README.zh-CN.md CHANGELOG.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/assayd/
	test ! -f $(LOCALE) || install -D -m 0644 $(LOCALE) $(DESTDIR)$(PREFIX)/share/locale/zh_CN/LC_MESSAGES/assayd.mo
	set -e; for page in $(wildcard config/man/*.[1-8]); do \
		install -D -m 0644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done
	sed 's|/usr/sbin/assayd|$(PREFIX)/sbin/assayd|' systemd/assayd.service | \
		install -D -m 0644 /dev/stdin $(DESTDIR)$(PREFIX)/lib/systemd/system/assayd.service
	install -D -m 0644 systemd/assayd.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/assayd.conf
	install -D -m 0644 systemd/60-assayd.rules $(DESTDIR)$(PREFIX)/lib/udev/rules.d/60-assayd.rules

clean:
	rm -rf build build-*

.PHONY: FORCE all units benches shims deps deps-test demo test bench kill-test campaign campaign-smoke tamper-test fuzz coverage check install clean
.SECONDARY:
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
