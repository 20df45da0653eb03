"""
Says what the OpenSSL of this machine (libssl.so.3) loads of certificate files, by the very calls that Mosquitto makes
(lib/net_mosq.c). In: for each file `use length\n`, then that many bytes; `use` is chain, authorities or key. Out: a line
of JSON for each, {"certificates": [SHA-256 of each in DER]}, {"ok": true} for a key, or {"error": reason}.
"""

import ctypes, hashlib, json, os, sys

ssl, crypto = ctypes.CDLL('libssl.so.3'), ctypes.CDLL('libcrypto.so.3')
P, INT, LONG, TEXT = ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p
SSL_CTRL_GET_CHAIN_CERTS = 115
FILETYPE_PEM = 1

for library, name, result, arguments in [
    (ssl, 'TLS_client_method', P, []),
    (ssl, 'SSL_CTX_new', P, [P]),
    (ssl, 'SSL_CTX_free', None, [P]),
    (ssl, 'SSL_CTX_use_certificate_chain_file', INT, [P, TEXT]),
    (ssl, 'SSL_CTX_use_PrivateKey_file', INT, [P, TEXT, INT]),
    (ssl, 'SSL_CTX_load_verify_locations', INT, [P, TEXT, TEXT]),
    (ssl, 'SSL_CTX_get0_certificate', P, [P]),
    (ssl, 'SSL_CTX_ctrl', LONG, [P, INT, LONG, P]),
    (ssl, 'SSL_CTX_get_cert_store', P, [P]),
    (ssl, 'SSL_CTX_set_default_passwd_cb_userdata', None, [P, TEXT]),
    (crypto, 'X509_STORE_get0_objects', P, [P]),
    (crypto, 'X509_OBJECT_get0_X509', P, [P]),
    (crypto, 'OPENSSL_sk_num', INT, [P]),
    (crypto, 'OPENSSL_sk_value', P, [P, INT]),
    (crypto, 'i2d_X509', INT, [P, ctypes.POINTER(P)]),
    (crypto, 'CRYPTO_free', None, [P, TEXT, INT]),
    (crypto, 'ERR_clear_error', None, []),
    (crypto, 'ERR_peek_last_error', ctypes.c_ulong, []),
    (crypto, 'ERR_reason_error_string', TEXT, [ctypes.c_ulong]),
]:
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments


def stack(pointer):
    return [crypto.OPENSSL_sk_value(pointer, i) for i in range(crypto.OPENSSL_sk_num(pointer))]


def sha256(certificate):
    der = P()
    length = crypto.i2d_X509(certificate, ctypes.byref(der))
    digest = hashlib.sha256(ctypes.string_at(der, length)).hexdigest()
    crypto.CRYPTO_free(der, b'', 0)
    return digest


def failed():
    reason = crypto.ERR_reason_error_string(crypto.ERR_peek_last_error())
    return {'error': reason.decode() if reason else 'no reason'}


def chain(context, path):
    if ssl.SSL_CTX_use_certificate_chain_file(context, path) != 1:
        return failed()
    rest = P()
    ssl.SSL_CTX_ctrl(context, SSL_CTRL_GET_CHAIN_CERTS, 0, ctypes.byref(rest))
    loaded = [ssl.SSL_CTX_get0_certificate(context)] + (stack(rest) if rest else [])
    return {'certificates': [sha256(each) for each in loaded]}


def authorities(context, path):
    if ssl.SSL_CTX_load_verify_locations(context, path, None) != 1:
        return failed()
    objects = stack(crypto.X509_STORE_get0_objects(ssl.SSL_CTX_get_cert_store(context)))
    loaded = [crypto.X509_OBJECT_get0_X509(each) for each in objects]
    return {'certificates': [sha256(each) for each in loaded if each]}


def key(context, path):
    return {'ok': True} if ssl.SSL_CTX_use_PrivateKey_file(context, path, FILETYPE_PEM) == 1 else failed()


USES = {'chain': chain, 'authorities': authorities, 'key': key}
METHOD = ssl.TLS_client_method()
FILE = os.memfd_create('pem')
PATH = b'/proc/self/fd/%d' % FILE

for line in sys.stdin.buffer:
    use, length = line.split()
    os.ftruncate(FILE, 0)
    os.pwrite(FILE, sys.stdin.buffer.read(int(length)), 0)
    crypto.ERR_clear_error()
    context = ssl.SSL_CTX_new(METHOD)
    # a broker has no terminal to ask for a passphrase, and no passphrase
    ssl.SSL_CTX_set_default_passwd_cb_userdata(context, b'none')
    print(json.dumps(USES[use.decode()](context, PATH)))
    ssl.SSL_CTX_free(context)
