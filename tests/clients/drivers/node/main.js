// The JavaScript SDK v3 with its defaults, driven line by line: see ../../driver.py.
"use strict";

const fs = require("node:fs");
const readline = require("node:readline");
const { pipeline } = require("node:stream/promises");
const {
  CopyObjectCommand, DeleteObjectCommand, DeleteObjectsCommand, GetObjectCommand, HeadObjectCommand,
  PutObjectCommand, S3Client, paginateListObjectsV2,
} = require("@aws-sdk/client-s3");
const { Upload } = require("@aws-sdk/lib-storage");
const { getSignedUrl } = require("@aws-sdk/s3-request-presigner");

const client = new S3Client({
  endpoint: process.env.ENDPOINT, region: process.env.AWS_REGION, forcePathStyle: true,
});

/** A stream whose length is known: sent aws-chunked, with its CRC32 as a trailer. */
const opened = (path) => ({ Body: fs.createReadStream(path), ContentLength: fs.statSync(path).size });

const operations = {
  put: async (Bucket, Key, path) => {
    const answer = await client.send(new PutObjectCommand({ Bucket, Key, ...opened(path) }));
    return [answer.ChecksumCRC32 ?? ""];
  },
  putbytes: async (Bucket, Key, path) => {
    const answer = await client.send(new PutObjectCommand({ Bucket, Key, Body: fs.readFileSync(path) }));
    return [answer.ChecksumCRC32 ?? ""];
  },
  get: async (Bucket, Key, path) => {
    const answer = await client.send(new GetObjectCommand({ Bucket, Key }));
    await pipeline(answer.Body, fs.createWriteStream(path));
    return [answer.ChecksumCRC32 ?? answer.ChecksumCRC64NVME ?? ""];
  },
  head: async (Bucket, Key) => {
    const answer = await client.send(new HeadObjectCommand({ Bucket, Key }));
    return [String(answer.ContentLength), answer.ETag];
  },
  list: async (Bucket, Prefix, PageSize) => {
    const keys = [];
    for await (const page of paginateListObjectsV2({ client, pageSize: Number(PageSize) }, { Bucket, Prefix }))
      keys.push(...(page.Contents ?? []).map((entry) => entry.Key));
    return keys;
  },
  copy: async (Bucket, source, Key) => {
    // The SDK sends what it is given; its documentation asks for a source that is URL-encoded.
    const CopySource = `${Bucket}/${source}`.split("/").map(encodeURIComponent).join("/");
    await client.send(new CopyObjectCommand({ Bucket, Key, CopySource }));
    return [];
  },
  delete: async (Bucket, Key) => {
    await client.send(new DeleteObjectCommand({ Bucket, Key }));
    return [];
  },
  deletemany: async (Bucket, ...keys) => {
    const Objects = keys.map((Key) => ({ Key }));
    const answer = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
    return (answer.Errors ?? []).map((error) => `${error.Key}: ${error.Code}`);
  },
  upload: async (Bucket, Key, path) => {
    const params = { Bucket, Key, Body: fs.createReadStream(path) };
    const answer = await new Upload({ client, params }).done();
    return [answer.ETag];
  },
  presign: async (Bucket, Key, method) => {
    const Command = { GET: GetObjectCommand, PUT: PutObjectCommand, DELETE: DeleteObjectCommand }[method];
    return [await getSignedUrl(client, new Command({ Bucket, Key }), { expiresIn: 60 })];
  },
};

async function answer(line) {
  const [operation, ...words] = line.split(" ").map(decodeURIComponent);
  try {
    return ["ok", ...(await operations[operation](...words))];
  } catch (error) {
    return ["error", error.name, error.message];
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const words = await answer(line);
    process.stdout.write(`${words.map(encodeURIComponent).join(" ")}\n`);
  }
  client.destroy();
}

main();
