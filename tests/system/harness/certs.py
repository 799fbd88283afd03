"""Certificates of an authority of its own, made by openssl(1).

They have all that Python 3.13 and later want of one by default (RFC 5280):
what the authority's key is for, and in the others whose key signed them.
"""

import shutil
import subprocess


def _openssl(*args):
    subprocess.run(["openssl", *[str(a) for a in args]], check=True,
        capture_output=True)


class Authority:
    def __init__(self, place, name="ca"):
        self.dir = place.subdir(name)
        self.key, self.cert = self.dir / "ca.key", self.dir / "ca.pem"
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.key,
            "-out", self.cert, "-days", "30", "-subj", "/CN=%s" % name,
            "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, name, names="", days=30):
        """(certificate, key), names such as "IP:127.0.0.1,DNS:r.test"."""
        key, cert = self.dir / (name + ".key"), self.dir / (name + ".pem")
        request, more = self.dir / "request", self.dir / "extensions"
        more.write_text("authorityKeyIdentifier = keyid\n" +
            ("subjectAltName = %s\n" % names if names else ""))
        _openssl("req", "-newkey", "ec", "-pkeyopt",
            "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out",
            request, "-subj", "/CN=%s" % name)
        _openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey",
            self.key, "-CAcreateserial", "-out", cert, "-days", days,
            "-extfile", more)
        shutil.chown(key, "mailbrake", "mailbrake")
        return cert, key
