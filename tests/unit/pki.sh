#!/bin/sh
# pki.sh DIR: two authorities and certificates of every kind that a station may meet, made with the openssl command. All of
# it is for 127.0.0.1 unless the name says otherwise.
set -eu
cd "$1"

authority() {
	mkdir "$1.d"
	: >"$1.d/index"
	echo 1000 >"$1.d/serial"
	echo 1000 >"$1.d/crlnumber"
	cat >"$1.cnf" <<-END
		[ca]
		default_ca = it
		[it]
		dir = $1.d
		database = $1.d/index
		serial = $1.d/serial
		crlnumber = $1.d/crlnumber
		new_certs_dir = $1.d
		certificate = $1.crt
		private_key = $1.key
		default_md = sha256
		default_days = 30
		default_crl_days = 30
		unique_subject = no
		policy = any
		copy_extensions = copy
		[any]
		commonName = supplied
	END
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj "/CN=$2" \
		-keyout "$1.key" -out "$1.crt" 2>/dev/null
}

# sign AUTHORITY NAME SUBJECT SAN [option...]
sign() {
	authority=$1 name=$2 subject=$3 san=$4
	shift 4
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$subject" -addext "subjectAltName=$san" \
		-keyout "$name.key" -out "$name.csr" 2>/dev/null
	openssl ca -batch -notext -config "$authority.cnf" -in "$name.csr" -out "$name.crt" "$@" 2>/dev/null
}

authority ca "County CA"
authority other-ca "Other CA"
sign ca good broker IP:127.0.0.1
sign ca wrong-name broker DNS:other.example,IP:127.0.0.2
sign ca expired broker IP:127.0.0.1 -startdate 20200101000000Z -enddate 20200201000000Z
sign ca future broker IP:127.0.0.1 -startdate 20900101000000Z -enddate 20910101000000Z
sign ca revoked broker IP:127.0.0.1
sign ca station 330421103-01 DNS:station
sign ca station-expired 330421103-01 DNS:station -startdate 20200101000000Z -enddate 20200201000000Z
sign ca station-revoked 330421103-01 DNS:station
sign other-ca station-unknown 330421103-01 DNS:station
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=self \
	-addext subjectAltName=IP:127.0.0.1 -keyout self-signed.key -out self-signed.crt 2>/dev/null
openssl ca -config ca.cnf -gencrl -out empty.crl 2>/dev/null
openssl ca -config ca.cnf -revoke revoked.crt 2>/dev/null
openssl ca -config ca.cnf -revoke station-revoked.crt 2>/dev/null
openssl ca -config ca.cnf -gencrl -out ca.crl 2>/dev/null
openssl ca -config ca.cnf -gencrl -crl_lastupdate 20200101000000Z -crl_nextupdate 20200201000000Z -out old.crl 2>/dev/null
