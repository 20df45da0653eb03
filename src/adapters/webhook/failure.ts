/** Why a receiver could not be reached, and what to try. */

import type { DeliveryCause, DeliveryFailure } from '../../core/model/delivery.ts';
import { formatSeconds } from '../../core/text/duration.ts';
import { codeOf } from '../../system/errors.ts';
import { isOpenSslError, openSslReason } from '../../system/openssl-error.ts';
import { shownUrl, withoutUrl } from '../../system/secret-url.ts';

export function failure(cause: DeliveryCause, error: string, setting: string): DeliveryFailure {
  return { ok: false, cause, error, hint: HINTS[cause](setting) };
}

/** No answer in time. Whether the receiver got the message is not known: it may be delivered twice. */
export function outOfTime(url: URL, timeoutMs: number, setting: string): DeliveryFailure {
  return failure('timeout', `no answer from ${shownUrl(url)} within ${formatSeconds(timeoutMs)}`, setting);
}

/** How a call ended before there was an answer. */
export function lost(error: unknown, url: URL, setting: string): DeliveryFailure {
  const reason = withoutUrl(openSslReason(error), url);
  const cause = causeOf(error);
  const failed = failure(cause, `${shownUrl(url)} cannot be reached: ${reason}`, setting);
  return cause === 'tls' ? { ...failed, hint: tlsHint(codeOf(error), reason) } : failed;
}

function causeOf(error: unknown): DeliveryCause {
  const code = codeOf(error) ?? '';
  if (code === 'ENOTFOUND' || code.startsWith('EAI_')) return 'dns';
  if (code.startsWith('HPE_')) return 'bad_answer';
  const isUntrusted = /CERT|ISSUER|SIGNATURE|ERR_TLS|ERR_SSL|^CRL_/.test(code);
  return isUntrusted || isOpenSslError(error) ? 'tls' : 'tcp';
}

function tlsHint(code: string | undefined, reason: string): string {
  if (/wrong version number|packet length too long|unknown protocol/.test(reason)) {
    return 'that is not TLS: is it http:// instead of https://, or another port?';
  }
  switch (code) {
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return 'its certificate is for another name: use that name in the address';
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return "have the receiver's certificate renewed, and check this clock";
    default:
      return 'if a CA of your own has issued its certificate, set NOTIFY_CA_FILE to that CA';
  }
}

const HINTS: Readonly<Record<DeliveryCause, (setting: string) => string>> = {
  local_file: (setting) => `check ${setting}_FILE and NOTIFY_CA_FILE`,
  dns: (setting) => `check the host in ${setting}, /etc/resolv.conf and whether its name server is reachable`,
  tcp: (setting) => `is the receiver up, is the port in ${setting} right, does a firewall let it through?`,
  tls: () => 'check NOTIFY_CA_FILE',
  timeout: () => 'the receiver, or something on the way to it, does not answer: see its log',
  redirected: (setting) => `a secret is not passed on: set ${setting} to where it leads, if you trust that`,
  refused: (setting) => `check ${setting} and NOTIFY_FORMAT; has the address been revoked?`,
  receiver_error: () => "see the receiver's own log",
  bad_answer: (setting) => `what answers does not speak HTTP: check ${setting}`,
};
