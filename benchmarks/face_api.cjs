// The expression network of npm's @vladmandic/face-api, for peers.py: `node face_api.cjs NODE_MODULES`.
// In: pictures one after the other, each its height and width (two little-endian uint32) and its RGB bytes, row by row.
// Out: a line a picture, JSON: the probabilities of neutral, happy, sad, angry, fearful, disgusted, surprised. The
// package itself pads to a square, resizes and normalises.
const path = require("path");

const modules = path.resolve(process.argv[2]);
const within = (name) => path.join(modules, name);

async function main() {
  const wasm = require(within("@tensorflow/tfjs-backend-wasm"));
  wasm.setWasmPaths(within("@tensorflow/tfjs-backend-wasm/dist/"));
  wasm.setThreadsCount(1);
  const faceapi = require(within("@vladmandic/face-api/dist/face-api.node-wasm.js"));
  await faceapi.tf.setBackend("wasm");
  await faceapi.tf.ready();
  await faceapi.nets.faceExpressionNet.loadFromDisk(within("@vladmandic/face-api/model"));
  let buffer = Buffer.alloc(0);
  for await (const chunk of process.stdin) {
    buffer = Buffer.concat([buffer, chunk]);
    while (buffer.length >= 8) {
      const [height, width] = [buffer.readUInt32LE(0), buffer.readUInt32LE(4)];
      const end = 8 + height * width * 3;
      if (buffer.length < end) break;
      const picture = faceapi.tf.tensor3d(new Float32Array(buffer.subarray(8, end)), [height, width, 3]);
      buffer = buffer.subarray(end);
      const probabilities = await faceapi.nets.faceExpressionNet.forward(picture);
      process.stdout.write(JSON.stringify(Array.from(await probabilities.data())) + "\n");
      faceapi.tf.dispose([picture, probabilities]);
    }
  }
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
