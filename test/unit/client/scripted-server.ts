import { webcrypto } from "node:crypto";
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import type { Connection } from "../../../client/transport.ts";

/** PEM of a certificate for 127.0.0.1 that is its own authority. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

export async function makeCertificate(commonName = "127.0.0.1"): Promise<TestCertificate> {
  x509.cryptoProvider.set(webcrypto);
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${commonName}`,
    notBefore: new Date("2020-01-01"),
    notAfter: new Date("2099-01-01"),
    signingAlgorithm: algorithm,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true),
      new x509.SubjectAlternativeNameExtension([{ type: "ip", value: "127.0.0.1" }]),
    ],
  });
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", keys.privateKey)).toString("base64");
  return {
    cert: certificate.toString("pem"),
    key: `-----BEGIN PRIVATE KEY-----\n${pkcs8.match(/.{1,64}/g)?.join("\n")}\n-----END PRIVATE KEY-----\n`,
  };
}

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly body: string;
}

/** An HTTPS server that answers with what the test wants to be answered, and remembers what it was asked. */
export class ScriptedServer {
  readonly asked: string[] = [];
  readonly #certificate: TestCertificate;
  #server: Server | undefined;
  #port = 0;
  handler: (exchange: Exchange) => void = ({ response }) => void response.writeHead(500).end("no script");

  static async start(): Promise<ScriptedServer> {
    const server = new ScriptedServer(await makeCertificate());
    await server.listen();
    return server;
  }

  private constructor(certificate: TestCertificate) {
    this.#certificate = certificate;
  }

  get port(): number {
    return this.#port;
  }

  get connection(): Connection {
    return {
      servers: [`https://127.0.0.1:${this.#port}`],
      ca: this.#certificate.cert,
      credentials: async () => ({}),
    };
  }

  /** Listens on the port it had before, or on a free one. */
  async listen(): Promise<void> {
    const options = { ...this.#certificate, requestCert: true, rejectUnauthorized: false };
    const server = createServer(options, (request, response) => {
      response.on("error", () => undefined);
      void this.#answer(request, response);
    });
    server.on("tlsClientError", () => undefined);
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  /** As a killed process: every connection is cut. */
  async stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    this.asked.push(`${request.method} ${request.url}`);
    const url = new URL(request.url ?? "/", "https://server");
    this.handler({ request, response, url, body: Buffer.concat(chunks).toString("utf8") });
  }
}

export const sendJson = (response: ServerResponse, code: number, body: unknown): void => {
  response.writeHead(code, { "content-type": "application/json" }).end(JSON.stringify(body));
};

export const sendStatus = (response: ServerResponse, code: number, reason: string, details = {}): void =>
  sendJson(response, code, {
    kind: "Status",
    apiVersion: "v1",
    status: "Failure",
    reason,
    code,
    message: reason,
    details,
  });
